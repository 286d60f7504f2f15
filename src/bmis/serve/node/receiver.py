"""The side of a node that is called: C-STORE and C-ECHO, from peers alone, within limits."""

import logging
import math
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from copy import copy
from functools import cache
from socketserver import BaseServer
from ssl import SSLSocket
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

from bmis.errors import ConfigError, DataError, require
from bmis.serve.node.identity import digest, read_identity
from bmis.serve.node.logs import log
from bmis.serve.node.metrics import NodeMetrics
from bmis.serve.node.peers import Peers
from bmis.serve.node.settings import NodeSettings
from bmis.serve.node.spool import Spool, SpoolFullError
from bmis.serve.node.tls import server_context

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event

_LARGEST_PDU = 2**20  # bytes; ours asks for 16 KB, some send more
_CHUNK = 2**16
_SHARE = 0.75  # of the associations that one address may have, so that others get in
_Peer = tuple[str, int]  # address and port
_SUCCESS, _NO_ROOM, _NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000


@cache
def load_pynetdicom() -> None:
    """Load pynetdicom, let it keep objects in files, and keep what it says out of the log.

    Raises:
        MissingExtraError: The extra "node" is not installed.

    Example:
        >>> load_pynetdicom()
    """
    config: Any = require("pynetdicom", extra="node")._config
    config.STORE_RECV_CHUNKED_DATASET = config.STORE_SEND_CHUNKED_DATASET = True
    config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "dicomweb_client"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False


class Receiver:
    """Listens, and puts what comes into the spool before it says so.

    Args:
        settings: Where it listens, who may send, and how much.
        spool: Where objects go.
        metrics: Counts.

    Attributes:
        port: The port.

    Raises:
        ConfigError: The address cannot be listened on, a peer is wrong, or see
            ``server_context``.

    Example:
        >>> from pathlib import Path
        >>> settings = NodeSettings(0, spool="spool", rules="rules.yaml", peers=("CT1@127.0.0.1",))
        >>> spool = Spool(Path("spool"), limit=10**9)
        >>> receiver = Receiver(settings, spool, NodeMetrics(spool))
        >>> receiver.start(), receiver.series_still_open(), receiver.stop()
        (None, set(), None)
    """

    def __init__(self, settings: NodeSettings, spool: Spool, metrics: NodeMetrics) -> None:
        load_pynetdicom()
        self._spool, self._metrics = spool, metrics
        self._open: dict[Association, set[str]] = {}
        self._server = _make_server(settings, self._store)
        self.port = int(self._server.server_address[1])
        self._thread = Thread(target=self._server.serve_forever, args=[0.1], daemon=True)

    def start(self) -> None:
        """Let senders in."""
        self._thread.start()

    def stop(self) -> None:
        """Let nobody in any more, and cut off those who are in; what is confirmed is kept."""
        BaseServer.shutdown(self._server)  # that of pynetdicom is for servers it started itself
        self._server.server_close()
        for association in self._server.active_associations:
            association.abort()

    def series_still_open(self) -> set[str]:
        """Series of which a sender that is still connected has sent something."""
        for association in [one for one in list(self._open) if not one.is_alive()]:
            self._open.pop(association, None)
        return {series for found in list(self._open.values()) for series in list(found)}

    def _store(self, event: "Event") -> int:
        """Answer C-STORE; the status."""
        cast(Any, event.assoc.dul.socket).recv.begin()
        peer = event.assoc.requestor.ae_title
        try:
            identity = read_identity(event.dataset_path)
            if identity.uid != cast(Any, event.request).AffectedSOPInstanceUID:
                raise DataError("not the object that was announced")
            self._open.setdefault(event.assoc, set()).add(identity.series)
            new = self._spool.add(identity, event.dataset_path)
        except SpoolFullError:
            return self._refuse(_NO_ROOM, "no room", peer)
        except DataError:
            return self._refuse(_NOT_UNDERSTOOD, "object without UIDs, or with others", peer)
        except (OSError, sqlite3.Error) as error:
            return self._refuse(_NO_ROOM, "cannot write", peer, error=type(error).__name__)
        self._metrics.received("kept" if new else "known")
        log("object" if new else "object known already", peer=peer, series=digest(identity.series))
        return _SUCCESS

    def _refuse(self, status: int, event: str, peer: str, **fields: object) -> int:
        self._metrics.received("no room" if status == _NO_ROOM else "refused")
        log(event, level=logging.ERROR, peer=peer, **fields)
        return status


def _make_server(settings: NodeSettings, store: "Callable[[Event], int]") -> Any:
    """A server of pynetdicom that listens already."""
    from pynetdicom import evt

    try:
        return _entity(settings).make_server(
            (settings.host, settings.dicom or 0),
            ssl_context=server_context(settings),
            evt_handlers=[(evt.EVT_C_STORE, store), (evt.EVT_CONN_CLOSE, _remove_half)],
            **_classes(Peers(settings.peers), settings),
        )
    except OSError as error:
        raise ConfigError(
            f"{settings.host}:{settings.dicom}: cannot listen here ({error.strerror or error}); "
            "choose another port or host"
        ) from error


def _entity(settings: NodeSettings) -> Any:
    """What the node takes: all objects that are stored, in all ways that bmis can read."""
    from pydicom import uid
    from pynetdicom import AE, AllStoragePresentationContexts
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    entity = AE(settings.aet)
    entity.add_supported_context(Verification)
    syntaxes = [
        *(uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian),
        *uid.JPEGTransferSyntaxes,
        *uid.JPEGLSTransferSyntaxes,
        *uid.JPEG2000TransferSyntaxes,
        *uid.RLETransferSyntaxes,
    ]  # not the one that deflates the whole object, which a few bytes make endless
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), syntaxes)
    entity.require_called_aet = True
    entity.acse_timeout = entity.network_timeout = entity.dimse_timeout = settings.idle
    return entity


def _classes(peers: Peers, settings: NodeSettings) -> dict[str, type]:
    """What lets in peers alone, each under the names that its address may have."""
    from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

    places = _Places(settings.associations)

    class Handler(RequestHandler):
        @property
        def ae(self) -> Any:
            entity = copy(self.server.ae)
            entity.require_calling_aet = peers.titles(self.client_address[0])
            return entity

        def handle(self) -> None:
            try:
                if isinstance(self.request, SSLSocket):
                    self.request.settimeout(settings.idle)
                    self.request.do_handshake()
                super().handle()
            finally:
                places.leave(self.client_address[:2])

        def _create_association(self) -> "Association":
            association = super()._create_association()
            limit = settings.object_mb * 2**20
            reader = _Reader(self.request, limit=limit, seconds=settings.idle)
            cast(Any, association.dul.socket).recv = reader
            return association

    class Server(ThreadedAssociationServer):
        def get_request(self) -> Any:
            connection, address = cast(socket.socket, self.socket).accept()
            if self.ssl_context:  # shaking hands here would keep all others waiting
                connection = self.ssl_context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            return connection, address

        def verify_request(self, request: Any, client_address: Any) -> bool:
            if not peers.titles(client_address[0]):
                log("connection refused", level=logging.WARNING, address=client_address[0])
                return False
            active = [
                (str(one.requestor.address), one.requestor.port) for one in self.active_associations
            ]
            return places.enter(client_address[:2], active)

        def handle_error(self, request: Any, client_address: Any) -> None:
            log("connection failed", level=logging.ERROR)

    return {"server_class": Server, "request_handler": Handler}


class _Places:
    """Places for connections, named by address and port, of which no address gets all."""

    def __init__(self, most: int) -> None:
        self._most, self._of_one = most, math.ceil(most * _SHARE)
        self._arriving: set[_Peer] = set()  # that are no association yet

    def enter(self, peer: _Peer, active: Iterable[_Peer]) -> bool:
        """Take a place, if there is one beside the associations that are active."""
        there = self._arriving | set(active)  # for a moment a connection is both
        if len(there) >= self._most or [host for host, _ in there].count(peer[0]) >= self._of_one:
            return False
        self._arriving.add(peer)
        return True

    def leave(self, peer: _Peer) -> None:
        """The connection is an association now, or has ended."""
        self._arriving.remove(peer)


class _Reader:
    """Reads from a connection within limits: bytes since the last object, and seconds.

    pynetdicom itself takes four gigabytes if they are announced, and waits for ever.
    """

    def __init__(self, connection: socket.socket, *, limit: int, seconds: float) -> None:
        self._connection, self._limit, self._seconds = connection, limit, seconds
        self._received = 0

    def begin(self) -> None:
        """An object has ended."""
        self._received = 0

    def __call__(self, count: int) -> bytearray:
        """As many bytes, fewer where the connection ends; ``OSError`` ends it."""
        self._received += count
        if count > _LARGEST_PDU or self._received > self._limit:
            log("object too large", level=logging.WARNING, limit=self._limit)
            raise OSError("too large")
        end, data = time.monotonic() + self._seconds, bytearray()
        while len(data) < count:
            self._connection.settimeout(max(0.001, end - time.monotonic()))
            part = self._connection.recv(min(_CHUNK, count - len(data)))
            if not part:
                break
            data += part
        self._connection.settimeout(self._seconds)
        return data


def _remove_half(event: "Event") -> None:
    """Close and remove the file of an object of which the end did not come."""
    message = event.assoc.dimse.message
    stream, path = (getattr(message, f"_data_set_{what}", None) for what in ("file", "path"))
    if stream is not None:
        stream.close()
    if path is not None:
        path.unlink(missing_ok=True)
