"""Results on their way: C-STORE by pynetdicom, or STOW-RS by dicomweb-client."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bmis.errors import BmisError, DataError, require
from bmis.serve.node.receiver import load_pynetdicom
from bmis.serve.node.rules import Destination
from bmis.system.reading import read_text

_STORED = {0x0000, 0x0111, 0xB000, 0xB006, 0xB007}  # 0111: it has the object already


def send(
    paths: Sequence[Path], destination: Destination, *, aet: str, seconds: float
) -> Iterator[tuple[Path, str | None]]:
    """Send files to a destination, each as far as it goes.

    Args:
        paths: DICOM files.
        destination: Where they go.
        aet: AE title of the sender.
        seconds: How long each answer may take.

    Yields:
        Each file, with one line that says why it was not stored, or None.

    Example:
        >>> gone = Destination("archive", url="http://127.0.0.1:1/dicom-web")
        >>> [(path, why)] = send([Path("clip.dcm")], gone, aet="BMIS", seconds=5)
        >>> print(why)
        ConnectionError: ...
    """
    left = list(paths)
    try:
        one_by_one = _by_address if destination.url else _by_title
        for path, why in one_by_one(paths, destination, aet, seconds):
            left.remove(path)
            yield path, why
    except Exception as error:  # of the network, TLS, the other side's answers
        words = str(error) if isinstance(error, BmisError) else f"{type(error).__name__}: {error}"
        yield from ((path, " ".join(words.split())[:300]) for path in left)


def _by_title(
    paths: Sequence[Path], destination: Destination, aet: str, seconds: float
) -> Iterator[tuple[Path, str | None]]:
    load_pynetdicom()
    from pydicom.filereader import read_file_meta_info
    from pynetdicom import AE

    entity = AE(aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = seconds
    entity.connection_timeout = seconds
    metas = [read_file_meta_info(path) for path in paths]
    for kind in {(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas}:
        entity.add_requested_context(*kind)
    host, port = str(destination.host), int(destination.port or 0)
    association = entity.associate(host, port, ae_title=str(destination.aet))
    if not association.is_established:
        raise DataError(
            f"no association with {destination.aet} at {host}:{port}; check that it runs and "
            f"knows {aet}"
        )
    try:
        for path in paths:
            status = association.send_c_store(path)
            yield path, _error(status.get("Status"))
    finally:
        if association.is_established:
            association.release()


def _error(status: int | None) -> str | None:
    if status in _STORED:
        return None
    return "no answer to C-STORE" if status is None else f"refused with status {status:04X}"


def _by_address(
    paths: Sequence[Path], destination: Destination, aet: str, seconds: float
) -> Iterator[tuple[Path, str | None]]:
    from pydicom import dcmread

    del aet  # STOW-RS has no titles
    web: Any = require("dicomweb_client.web", extra="node")
    headers = {}
    if destination.token_file:
        token = read_text(Path(destination.token_file)).strip()
        headers["Authorization"] = f"Bearer {token}"
    client = web.DICOMwebClient(destination.url, headers=headers, timeout=seconds)
    client.set_http_retry_params(retry=False)
    for path in paths:
        answer = client.store_instances([dcmread(path)])
        failed = answer.get("FailedSOPSequence")
        yield path, f"refused with reason {failed[0].FailureReason:04X}" if failed else None
