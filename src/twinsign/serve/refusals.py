"""Refusals: a status, what was found and what was wanted, as JSON; an InputError becomes one."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from twinsign.errors import InputError, TooLargeError, TwinsignError

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
