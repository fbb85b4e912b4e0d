"""Refusals: a status, what was found and what was wanted, as JSON; an InputError becomes one."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from twinsign.errors import InputError, InUseError, TooLargeError, TwinsignError

log = logging.getLogger("twinsign")
LATER = 2
"""Seconds after which a dictionary that another process was changing may be asked again."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

LONGEST = 300
"""Characters kept of what was found: it came from outside."""


def readable(text: str) -> str:
    """Text that JSON can carry and a terminal shows: half characters and control characters are escaped."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[: 2 * LONGEST])


class RefusedError(TwinsignError):
    """A request that is not answered, and why."""

    def __init__(
        self, status: int, found: str, wanted: str, *, hint: str = "", where: str = "", retry: int | None = None
    ) -> None:
        self.status, self.retry = status, retry
        self.told = {"found": readable(found)[:LONGEST], "wanted": wanted} | {
            name: value for name, value in (("hint", hint), ("where", where)) if value
        }
        super().__init__(f"found {found}; wanted {wanted}")

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        return {"error": self.told}

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {} if self.retry is None else {"Retry-After": str(self.retry)}
        headers |= {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return JSONResponse(self.body(), self.status, headers)


def refusal_of(error: InputError, status: int = 422) -> RefusedError:
    """An InputError about a request's content."""
    status = 413 if isinstance(error, TooLargeError) else status
    places = [f"clip {error.clip}"] if error.clip else []
    places += [f"frame {error.frame}"] if error.frame is not None else []
    return RefusedError(status, error.found, error.wanted, hint=error.hint, where=", ".join(places))


async def refused(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler of both."""
    if isinstance(error, InputError):
        return refusal_of(error).response()
    if isinstance(error, RefusedError):
        return error.response()
    raise error


@contextmanager
def kept_safe() -> Iterator[None]:
    """RefusedError for what is wrong with the folder; the log has the rest. Errors of a recording's own pass.

    409 where another process holds the folder, 507 where the disk is full, 503 where it cannot be read or written.
    """
    try:
        yield
    except InUseError as error:
        raise RefusedError(409, "a dictionary that is being changed", "another try", retry=LATER) from error
    except InputError as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise _of_disk(cause) from error
        if error.file is not None and error.clip is None and "empty dictionary" not in error.found:
            log.error("the dictionary cannot be read: %s", error)
            raise RefusedError(503, "a dictionary that cannot be read", "one that is whole", retry=LATER) from error
        raise
    except OSError as error:
        raise _of_disk(error) from error


def unknown(name: str) -> RefusedError:
    """The refusal where no sign of that name or id is enrolled."""
    return RefusedError(404, f"no sign {name[:40]!r}", "a gloss or an id of GET /dictionary")


def _of_disk(error: OSError) -> RefusedError:
    log.error("the dictionary: %s", error)
    if error.errno in FULL:
        return RefusedError(507, "no room on the server's disk", "a disk with room", retry=LATER)
    return RefusedError(503, "a dictionary that cannot be read or written", "one that can", retry=LATER)
