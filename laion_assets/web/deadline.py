"""One time-out that can be moved while it runs; asyncio's own, and its backport for Python 3.10."""

import sys

if sys.version_info >= (3, 11):
    from asyncio import Timeout, timeout, timeout_at
else:
    from async_timeout import Timeout, timeout, timeout_at

__all__ = ["Timeout", "timeout", "timeout_at"]
