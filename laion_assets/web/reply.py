"""The head of one answer and the stream of its body, holding their connection until the body is over."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.connector import Connection
    from multidict import CIMultiDictProxy


class Reply:
    """What aiohttp's parser made of an answer. A body that ends gives its connection back; ``close`` cuts it."""

    __slots__ = ("connection", "content", "headers", "reason", "status")

    def __init__(
        self,
        connection: "Connection",
        *,
        status: int,
        reason: str,
        headers: "CIMultiDictProxy[str]",
        content: "StreamReader",
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.content = content
        self.connection: Connection | None = connection
        """None once the body is over."""
        content.on_eof(self._release)

    def close(self) -> None:
        """Want no more of it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _release(self) -> None:
        if self.connection is not None:
            self.connection.release()
            self.connection = None
