"""Start a service, and stop it when it has finished what it has."""

import math
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from bmis.errors import ConfigError, require
from bmis.serve.logs import set_up_logs
from bmis.serve.networks import load_networks
from bmis.serve.service import Service
from bmis.serve.settings import ServeSettings

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 256  # connections that wait to be accepted
_HEAD = 16 * 1024  # bytes of the head of a request


def serve(settings: ServeSettings, started: Callable[[str, list[str]], None]) -> None:
    """Answer requests until the process gets SIGINT or SIGTERM.

    What was begun by then, and what waits, is finished.

    Args:
        settings: What is served, where, and with what limits.
        started: Called with the address and the names of the networks when clients can come.

    Raises:
        ConfigError: The address cannot be listened on, or see ``Service``.
        BundleError: See ``load_networks``.
        MissingExtraError: The extra "serve" is not installed.
        KeyboardInterrupt: It was stopped by SIGINT or SIGTERM.

    Example:
        >>> serve(ServeSettings(("no-such-network",)), print)
        Traceback (most recent call last):
        bmis.errors.BundleError: no-such-network: no such file or folder; ...
    """
    require("fastapi", extra="serve")
    require("uvicorn", extra="serve")
    require("python_multipart", extra="serve")
    from bmis.serve.connection import Connection, room_for_connections

    Connection.most = room_for_connections()
    service = Service(load_networks(settings.models, settings.runtime), settings)
    with closing(_listen(settings.host, settings.port)) as listening:
        name, port, *_ = listening.getsockname()
        started(f"http://{f'[{name}]' if ':' in name else name}:{port}", list(service.networks))
        _run(service, settings, listening)


def server_config(service: Service, timeout: float) -> "uvicorn.Config":
    """How uvicorn runs a service.

    Args:
        service: The service.
        timeout: Seconds for a body, and as many for its answer; a stop waits for both.

    Example:
        >>> service = Service(load_networks(["nuclei"]), ServeSettings())
        >>> server_config(service, timeout=60).timeout_graceful_shutdown
        120
        >>> service.worker.close()
    """
    import uvicorn

    from bmis.serve.app import make_app
    from bmis.serve.connection import Connection

    return uvicorn.Config(
        make_app(service),
        http=Connection,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEAD,
        timeout_graceful_shutdown=math.ceil(2 * timeout),
    )


def _run(service: Service, settings: ServeSettings, listening: socket.socket) -> None:
    import uvicorn

    set_up_logs()
    # uvicorn sends itself the signal again when it has finished; it shall not kill us then
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uvicorn.Server(server_config(service, settings.timeout)).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}: cannot listen here ({error.strerror or error}); choose another port "
            "or host"
        ) from error
