"""The connections of clients: how long they may keep silent, and how many there are at a time.

uvicorn itself waits for ever for the head of a request, and for a client to read its answer.
"""

import asyncio
import socket
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from bmis.errors import ConfigError

MOST, FEWEST = 4000, 64  # connections at a time
_FILES = 256  # that the rest of the process may need
_HEAD = 10.0  # seconds in which the head of a request must come
_READ = 30.0  # seconds in which a client must take something of its answer


def room_for_connections() -> int:
    """How many connections may be open, once the limit on open files is as high as it may be.

    Raises:
        ConfigError: The system allows too few files.

    Example:
        >>> room_for_connections() >= FEWEST
        True
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + _FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = MOST if soft == resource.RLIM_INFINITY else min(MOST, soft - _FILES)
    if room < FEWEST:
        raise ConfigError(
            f"a service needs {_FILES + FEWEST} open files or more, and may have {soft}; raise "
            "the limit, such as by `ulimit -n 4096`"
        )
    return room


def _send_at_once(transport: asyncio.Transport) -> None:
    """Send each part of an answer as it is written.

    Otherwise the body waits until the client has acknowledged the head, which takes it 40 ms.
    asyncio sees to that itself only where a socket was made with the protocol's number, and those
    of ``socket.create_server`` are not.
    """
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection(H11Protocol):
    """One connection. The class is what uvicorn wants to be given.

    Attributes:
        most: How many there may be; a new one takes the place of the one that has been silent for
            longest.

    Example:
        >>> issubclass(Connection, asyncio.Protocol)
        True
    """

    most = MOST

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._silent_since = self.loop.time()
        self._head: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _send_at_once(transport)
        self._watch()
        if len(self.connections) > self.most:
            idle = [one for one in self.connections if isinstance(one, Connection) and one.is_idle]
            min(idle, key=lambda one: one._silent_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._head, self._reading):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._silent_since = self.loop.time()
        super().on_response_complete()

    def _watch(self) -> None:
        """Wait for the head of a request, or no longer."""
        if self.is_idle and self._head is None:
            self._head = self.loop.call_later(_HEAD, self._no_head)
        elif not self.is_idle and self._head is not None:
            self._head.cancel()
            self._head = None

    def _no_head(self) -> None:
        if self.transport.is_closing() or not self.is_idle:
            return
        begun, _ = self.conn.trailing_data
        if begun and self.conn.our_state is h11.IDLE:
            self.send_400_response(f"The head of the request did not come in {_HEAD:g} seconds.")
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()

    def _look_again(self, left: int) -> None:
        self._reading = self.loop.call_later(_READ, self._check_reading, left)

    def _check_reading(self, left: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now < left:
            self._look_again(now)
        else:
            self.transport.abort()
