"""RequestError: the answer to a request that is refused, as a status and JSON; InputErrors become one."""

from __future__ import annotations

from starlette.responses import JSONResponse

from twinsign.errors import InputError, TooLargeError, TwinsignError

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
