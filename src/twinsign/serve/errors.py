"""RequestError: the answer to a request that is refused, as a status and JSON; InputErrors become one."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.responses import JSONResponse

from twinsign.errors import InputError, InUseError, TooLargeError, TwinsignError

log = logging.getLogger("twinsign")
RETRY_DICTIONARY = 2
"""Seconds after which a dictionary that another process was changing may be tried again."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MAX_FOUND = 300
"""Characters kept of what was found, which comes from outside."""


def escape(text: str) -> str:
    """Text that JSON can carry and a terminal can show: surrogates and control characters are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[: 2 * MAX_FOUND]
    )


class RequestError(TwinsignError):
    """A request that is refused: the status, what was found and what was wanted."""

    def __init__(
        self, status: int, found: str, wanted: str, *, hint: str = "", where: str = "", retry: int | None = None
    ) -> None:
        self.status, self.retry = status, retry
        details = {"found": escape(found)[:MAX_FOUND], "wanted": wanted, "hint": hint, "where": where}
        self.body = {"error": {name: text for name, text in details.items() if text or name in ("found", "wanted")}}
        super().__init__(status, found, wanted)  # what pickle passes on; it copies the attributes, too

    def response(self) -> JSONResponse:
        """The HTTP response."""
        headers = {} if self.retry is None else {"Retry-After": str(self.retry)}
        headers |= {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return JSONResponse(self.body, self.status, headers)


def as_request_error(error: RequestError | InputError) -> RequestError:
    """The error itself, or the RequestError of an InputError about a request's content: 413 or 422."""
    if isinstance(error, RequestError):
        return error
    places = [f"clip {error.clip}"] if error.clip else []
    places += [f"frame {error.frame}"] if error.frame is not None else []
    status = 413 if isinstance(error, TooLargeError) else 422
    return RequestError(status, error.found, error.wanted, hint=error.hint, where=", ".join(places))


@contextmanager
def dictionary_errors() -> Iterator[None]:
    """Turn errors of the dictionary's folder into RequestErrors, and log the details; errors of a recording pass.

    409 where another process holds the folder, 507 where the disk is full, 503 where it cannot be read or written.
    """
    try:
        yield
    except InUseError as error:
        raise RequestError(409, "a dictionary that is being changed", "another try", retry=RETRY_DICTIONARY) from error
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise _disk_error(error.__cause__) from error
        if error.file is not None and error.clip is None and "empty dictionary" not in error.found:
            log.error("the dictionary cannot be read: %s", error)
            found = "a dictionary that cannot be read"
            raise RequestError(503, found, "an undamaged dictionary", retry=RETRY_DICTIONARY) from error
        raise
    except OSError as error:
        raise _disk_error(error) from error


def _disk_error(error: OSError) -> RequestError:
    log.error("the dictionary: %s", error)
    if error.errno in DISK_FULL:
        return RequestError(507, "no room on the server's disk", "a disk with room", retry=RETRY_DICTIONARY)
    found = "a dictionary that cannot be read or written"
    return RequestError(503, found, "a readable and writable one", retry=RETRY_DICTIONARY)
