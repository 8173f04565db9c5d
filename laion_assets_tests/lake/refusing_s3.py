"""An S3 endpoint that answers every request with one refusal, in S3's own words."""

import contextlib
import http.server
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def refusing_s3(status: int, code: str, *, methods: tuple[str, ...] = ("GET", "HEAD", "PUT", "POST")) -> Iterator[str]:
    """Serve on loopback; methods not named are answered 404. Yields the endpoint."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            remaining = int(self.headers.get("Content-Length") or 0)
            while remaining:
                remaining -= len(self.rfile.read(min(remaining, 1 << 16)))
            refused = self.command in methods
            found = code if refused else "NoSuchKey"
            body = f"<?xml version='1.0'?><Error><Code>{found}</Code><Message>{found} it is</Message></Error>".encode()
            self.send_response(status if refused else 404)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 (the names http.server calls)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
