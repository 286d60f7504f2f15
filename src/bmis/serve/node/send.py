"""Results on their way: C-STORE by pynetdicom, or STOW-RS by dicomweb-client."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import Any

from bmis.errors import BmisError, DataError, require
from bmis.serve.node.receiver import load_pynetdicom
from bmis.serve.node.rules import Destination
from bmis.serve.node.settings import NodeSettings
from bmis.system.reading import read_text

_OWN_FAULT = {400, 409, 413, 415, 422}  # statuses that tell of one object
_STORED = {0x0000, 0x0111, 0xB000, 0xB006, 0xB007}  # 0111: it has the object already


def send(
    paths: Sequence[Path],
    destination: Destination,
    settings: NodeSettings,
    tls: SSLContext | None = None,
) -> Iterator[tuple[Path, str | None]]:
    """Send files to a destination, each as far as it goes.

    Args:
        paths: DICOM files.
        destination: Where they go.
        settings: AE title of the sender, and how long each answer may take.
        tls: How a C-STORE is encrypted, if it is.

    Yields:
        Each file, with one line that says why it was not stored, or None. An error that is more
        than an answer about one file ends it: what follows is not tried.

    Example:
        >>> gone = Destination("archive", url="http://127.0.0.1:1/dicom-web")
        >>> [(path, why)] = send([Path("clip.dcm"), Path("skin.dcm")], gone, NodeSettings())
        >>> path.name, why[:16]
        ('clip.dcm', 'ConnectionError:')
    """
    left = list(paths)
    try:
        if destination.url:
            found = _by_address(paths, destination, settings)
        else:
            found = _by_title(paths, destination, settings, tls)
        for path, why in found:
            left.remove(path)
            yield path, why
    except Exception as error:  # of the network, TLS, the other side's answers
        words = str(error) if isinstance(error, BmisError) else f"{type(error).__name__}: {error}"
        if left:
            yield left[0], " ".join(words.split())[:300]


def _by_title(
    paths: Sequence[Path], destination: Destination, settings: NodeSettings, tls: SSLContext | None
) -> Iterator[tuple[Path, str | None]]:
    load_pynetdicom()
    from pynetdicom import AE

    entity = AE(settings.aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = settings.idle
    entity.connection_timeout = settings.idle
    kinds = {path: _kind(path) for path in paths}
    yield from ((path, "is damaged; remove it") for path, kind in kinds.items() if kind is None)
    good = [path for path, kind in kinds.items() if kind is not None]
    for kind in {kind for kind in kinds.values() if kind is not None}:
        entity.add_requested_context(*kind)
    if not good:
        return
    host, port = str(destination.host), int(destination.port or 0)
    association = entity.associate(
        host, port, ae_title=str(destination.aet), tls_args=(tls, host) if tls else None
    )
    if not association.is_established:
        raise DataError(
            f"no association with {destination.aet} at {host}:{port}; check that it runs and "
            f"knows {settings.aet}{', and its certificate' if tls else ''}"
        )
    try:
        for path in good:
            status = association.send_c_store(path).get("Status")
            yield path, _error(status)
            if status is None:  # the association is of no use any more
                return
    finally:
        if association.is_established:
            association.release()


def _kind(path: Path) -> tuple[str, str] | None:
    """Class and transfer syntax of a file; None if it cannot be read, which is its fault alone."""
    from pydicom.filereader import read_file_meta_info

    try:
        meta = read_file_meta_info(path)
        return str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
    except Exception:
        return None


def _error(status: int | None) -> str | None:
    if status in _STORED:
        return None
    return "no answer to C-STORE" if status is None else f"refused with status {status:04X}"


def _by_address(
    paths: Sequence[Path], destination: Destination, settings: NodeSettings
) -> Iterator[tuple[Path, str | None]]:
    web: Any = require("dicomweb_client.web", extra="node")
    http: Any = require("requests", extra="node")
    headers = {}
    if destination.token_file:
        token = read_text(Path(destination.token_file)).strip()
        headers["Authorization"] = f"Bearer {token}"
    client = web.DICOMwebClient(destination.url, headers=headers, timeout=settings.idle)
    client.set_http_retry_params(retry=False)
    for path in paths:
        try:
            yield path, _store(client, path)
        except http.HTTPError as error:
            if error.response.status_code not in _OWN_FAULT:
                raise
            yield path, " ".join(str(error).split())[:300]


def _store(client: Any, path: Path) -> str | None:
    """Why the receiver did not take a file."""
    from pydicom import dcmread

    answer = client.store_instances([dcmread(path)])
    failed = answer.get("FailedSOPSequence")
    return f"refused with reason {failed[0].get('FailureReason', 0):04X}" if failed else None
