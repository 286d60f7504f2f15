"""Around every request: its number, the headers of every answer, one line in the log, counters.

The log holds no address, name, query, body or IP address of a client.
"""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from bmis.serve.headers import security_headers
from bmis.serve.metrics import Metrics
from bmis.serve.refusals import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger(__name__)
_DROPPED, _LINGER = 16 * 2**20, 2.0  # bytes of a refused body that are let come, and seconds
_FOREIGN_ID = re.compile(r"[0-9a-f-]{8,64}")  # of a proxy; nothing that could be a name
_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {**security_headers(), "cache-control": "no-store"}.items()
)


class Access:
    """Wraps an application of ASGI.

    Args:
        app: The application.
        metrics: Counts the answers.

    Example:
        >>> Access(app=None, metrics=None)  # `make_app` puts it around the application
        <bmis.serve.access.Access object at ...>
    """

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            await self._app(scope, answer.receive, answer.send)
        except Exception as error:
            _log_error(error, answer.request_id)
            await answer.send_error()
        finally:
            self._finish(scope, answer)

    def _finish(self, scope: Scope, answer: "_Answer") -> None:
        route, seconds = _route(scope), time.perf_counter() - answer.start
        self._metrics.request(route, answer.status, seconds=seconds)
        fields = {
            "request_id": answer.request_id,
            "method": scope["method"],
            "route": route,
            "status": answer.status,
            "milliseconds": round(seconds * 1000, 1),
            "bytes": answer.bytes,
        }
        _log.info("request", extra={"fields": fields})


class _Answer:
    """What is sent to one client."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = self.request_id
        self._receive, self._send, self.start = receive, send, time.perf_counter()
        self.status, self.bytes, self._more = 0, 0, scope["method"] in ("POST", "PUT")

    async def receive(self) -> Message:
        message = await self._receive()
        self._more = bool(message.get("more_body"))
        return message

    async def _drain(self) -> None:
        """Let the rest of a refused body come, and drop it.

        A client that is cut off while it sends would see a broken connection, and not the answer.
        """
        left = _DROPPED
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self._more and left > 0:
                    left -= len((await self.receive()).get("body", b""))

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400:
                await self._drain()
            own = [*_HEADERS, (b"x-request-id", self.request_id.encode())]
            given = {name for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                *((name, value) for name, value in own if name not in given),
            ]
        self.bytes += len(message.get("body", b""))
        await self._send(message)

    async def send_error(self) -> None:
        """Answer that the service is at fault, if nothing was answered yet."""
        if self.status:
            return
        body = problem("the service failed; tell its administrator the request_id", self.request_id)
        headers = [(b"content-type", b"application/json")]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _request_id(scope: Scope) -> str:
    """The number that a proxy gave, or a new one."""
    given = dict(scope.get("headers", ())).get(b"x-request-id", b"").decode("latin-1")
    return given if _FOREIGN_ID.fullmatch(given) else token_hex(8)


def _route(scope: Scope) -> str:
    """The pattern of an address that is known; addresses that clients make up are not kept."""
    return str(getattr(scope.get("route"), "path", "other"))


def _log_error(error: Exception, request_id: str) -> None:
    """Where an error came from, without its words, which may be of a file."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    fields = {"request_id": request_id, "error": type(error).__name__, "where": where}
    _log.error("failed", extra={"fields": fields})
