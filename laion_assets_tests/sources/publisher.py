"""A publisher on loopback: a real HTTP server that serves files with ranges and etags, and misbehaves when told to.

Small on purpose, and scripted: each fault meets the next requests for file bodies, in order. The project's sandbox hub
is a separate, larger thing; this one exists for what no well-behaved server does.
"""

import contextlib
import hashlib
import http.server
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")


@dataclass
class Fault:
    """What happens instead of, or to, the answer to one GET."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop_after: int | None = None
    """Close the connection after so many bytes of the body."""
    reset: bool = False
    """Close it with RST."""
    flip_bit: bool = False
    silent: bool = False
    """Send nothing more after ``drop_after`` bytes, and keep the connection."""


@dataclass
class Seen:
    """One request, and what went out for it."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0
    body_bytes: int = 0


@dataclass
class Publisher:
    """The server's state, for tests to set and to look at."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    etags: str = "strong"
    """``strong``, ``weak`` or ``none``."""
    ranges: str = "yes"
    """``yes``, ``no``, or ``ignores if-range``."""
    lengths: str = "content-length"
    """``content-length``, ``chunked``, or ``none``."""
    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    knows_head: bool = True
    bytes_per_s: float | None = None
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def etag(self, path: str) -> str | None:
        """The mark of the file's present version."""
        mark = hashlib.md5(self.files[path], usedforsecurity=False).hexdigest()
        return {"strong": f'"{mark}"', "weak": f'W/"{mark}"', "none": None}[self.etags]

    def gets(self) -> list[Seen]:
        """Requests for bodies, in order."""
        return [seen for seen in self.seen if seen.method == "GET"]

    def body_bytes(self) -> int:
        """Bytes of bodies that went out."""
        return sum(seen.body_bytes for seen in self.seen)


@contextlib.contextmanager
def serve(publisher: Publisher, *, tls: ssl.SSLContext | None = None) -> Iterator[Publisher]:
    """Serve on a free loopback port until the block ends."""

    class Handler(_Handler):
        state = publisher

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    publisher.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Publisher
    seen: Seen

    def do_HEAD(self) -> None:
        self._note()
        if not self.state.knows_head:
            self._plain(405, {}, b"")
            return
        self._file(None, whole_only=True)

    def do_GET(self) -> None:
        self._note()
        fault = self.state.faults.pop(0) if self.state.faults else None
        if fault is not None and fault.status is not None:
            self._plain(fault.status, fault.headers, fault.body)
            return
        self._file(fault, whole_only=False)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _note(self) -> None:
        self.seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.state.seen.append(self.seen)

    def _plain(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.seen.status = status
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, fault: Fault | None, *, whole_only: bool) -> None:
        state = self.state
        path = self.path.partition("?")[0]
        content = state.files.get(path)
        if content is None:
            self._plain(404, {}, b"")
            return
        etag = state.etag(path)
        start, stop = 0, len(content)
        wanted = _RANGE.match(self.headers.get("Range") or "")
        unchanged = state.ranges == "ignores if-range" or self.headers.get("If-Range") in (None, etag)
        partial = bool(wanted) and unchanged and state.ranges != "no" and not whole_only
        if wanted and partial:
            start = int(wanted[1])
            stop = min(int(wanted[2]) + 1 if wanted[2] else stop, stop)
            if start >= len(content):
                self._plain(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                return
        self.seen.status = 206 if partial else 200
        self.send_response(self.seen.status)
        self.send_header("Content-Type", state.content_type)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        if etag is not None:
            self.send_header("ETag", etag)
        if state.content_encoding:
            self.send_header("Content-Encoding", state.content_encoding)
        chunked = state.lengths == "chunked" and not whole_only
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif state.lengths == "content-length":
            self.send_header("Content-Length", str(stop - start))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self._body(content[start:stop], fault or Fault(), chunked=chunked)

    def _body(self, content: bytes, fault: Fault, *, chunked: bool) -> None:
        if fault.flip_bit:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        limit = len(content) if fault.drop_after is None else min(fault.drop_after, len(content))
        step = 1 << 14
        with contextlib.suppress(ConnectionError):
            for offset in range(0, limit, step):
                piece = content[offset : min(offset + step, limit)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                self.seen.body_bytes += len(piece)
                if self.state.bytes_per_s:
                    time.sleep(len(piece) / self.state.bytes_per_s)
            if fault.silent:
                self.connection.settimeout(20)
                with contextlib.suppress(OSError):
                    self.connection.recv(1)
            if fault.drop_after is None:
                self.wfile.write(b"0\r\n\r\n" if chunked else b"")
                return
        self.close_connection = True
        self.wfile.flush()
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
