"""Pages of the lake for a browser: reports and Data Docs over HTTP, and nothing else.

The Dagster UI is a page on http://, from which no browser follows a link to file://. So the pages are served,
read-only, and the assets link to where. Rows are not served: they are for those who can read the lake's files.
"""

import contextlib
import http.server
import ipaddress
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from laion_assets.lake.errors import LakeError, UnsafePathError
from laion_assets.lake.lake import Lake

_TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png"}
# What is in a page came from strangers: should a script have slipped through, it does not run and cannot call home.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; base-uri 'none'"


@contextlib.contextmanager
def serve_pages(lake: Lake, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the lake's pages while the block works.

    Args:
        lake: Whose pages.
        host: Address to listen on.
        port: Port to listen on; 0 takes any free one.

    Yields:
        The address that ``LAION_ASSETS_PAGES`` needs, such as ``http://127.0.0.1:3001``.

    Raises:
        OSError: The port is taken.
    """
    server = _Server((host, port), _Pages)
    server.lake = lake
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="lake-pages", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    lake: Lake
    daemon_threads = True


class _Pages(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "laion-assets"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if not self._is_for_us():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = unquote(urlsplit(self.path).path).lstrip("/")
        kind = next((kind for ending, kind in _TYPES.items() if path.endswith(ending)), None)
        content = None if kind is None else self._content(path)
        if content is None or kind is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def _content(self, path: str) -> bytes | None:
        asset, _, name = path.rpartition("/")
        lake = self.server.lake
        try:
            return lake.read_bytes(lake.uri(asset.split("/"), name))
        except (LakeError, UnsafePathError):
            return None

    def _is_for_us(self) -> bool:
        """Whether the browser asks for an address, not for a stranger's name that was made to resolve to it."""
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if name in ("localhost", str(self.server.server_address[0])):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 (as it is inherited)
        """Nobody reads a log of pages looked at."""
