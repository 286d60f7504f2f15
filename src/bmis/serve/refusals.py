"""How a request is refused: a status, and one line that says what came and how to fix it."""

from typing import Any

import msgspec

from bmis.errors import printable


class Refused(Exception):  # noqa: N818  (an answer to a request, not an error of the service)
    """A request that is not answered with a mask.

    Attributes:
        status: Status of HTTP, 4xx or 503.
        message: One line.
        retry_after: Seconds after which the same request may succeed, where that is so.

    Example:
        >>> Refused(429, "all places are taken; try again", retry_after=2).headers
        {'Retry-After': '2'}
    """

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, printable(message), retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the status."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class Problem(msgspec.Struct):
    """Why a request was refused, in one line, and its number in the log of the service.

    Example:
        >>> Problem("this is no image", "c0ffee").error
        'this is no image'
    """

    error: str
    request_id: str


def problem(message: str, request_id: str) -> bytes:
    """The body of every answer that is no success, as JSON.

    Example:
        >>> problem("this is no image", "c0ffee")
        b'{"error":"this is no image","request_id":"c0ffee"}'
    """
    return msgspec.json.encode(Problem(message, request_id))


def request_id_of(scope: Any) -> str:
    """The number that ``access`` gave to a request.

    Example:
        >>> request_id_of({"state": {"request_id": "c0ffee"}})
        'c0ffee'
    """
    return str(scope.get("state", {}).get("request_id", ""))
