"""What can go wrong with a lake, as one sentence that says what to do."""

import errno

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LakeError(RuntimeError):
    """The lake cannot do what was asked; the message names the file, what was found and the next step.

    Attributes:
        retryable: Whether asking again later, with nothing changed on our side, can help.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class UnsafePathError(LakeError):
    """A key, name or URI that could lead out of the lake, or that some filesystem would read differently."""


def is_no_room(error: BaseException | None) -> bool:
    """Whether the error, or one it came from, says that the disk, quota or file size limit is used up."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        text = str(error).lower()
        if any(words in text for words in ("no space left on device", "disk quota exceeded", "file too large")):
            return True  # polars and pyarrow pass the system's words on without its number
        error = error.__cause__ or error.__context__
    return False
