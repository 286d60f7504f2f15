"""What hostile senders do to a DICOM node. Each gives what was answered, and how often."""

import io
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from threading import Event
from typing import Any, cast

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from fuzzing.clinical import damaged_file

MANY = 1000  # connections
FILES = 600
_AET, _ELSEWHERE = "CT1", "127.0.0.2"  # the honest sender has an address of its own
_STATUS = {0x0000: "stored", 0xA700: "no room", 0xC000: "not understood", None: "hung up"}


class Receiver:
    """What takes the results of the node."""

    def __init__(self) -> None:
        self.came, entity = Event(), AE("PACS")
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax))
        handlers: list[Any] = [(evt.EVT_C_STORE, self._take)]
        self._server = cast(
            Any, entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        )
        self.port = int(self._server.server_address[1])
        self.wanted = ""  # study of the honest series

    def _take(self, event: Any) -> int:
        if event.dataset.StudyInstanceUID == self.wanted:
            self.came.set()
        return 0

    def close(self) -> None:
        """Hang up."""
        self._server.shutdown()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver for as long as the block runs."""
    one = Receiver()
    try:
        yield one
    finally:
        one.close()


def arguments(work: Path, port: int) -> list[str]:
    """Those of a node that segments all that it gets."""
    rules = (
        f"destinations: [{{name: pacs, aet: PACS, host: 127.0.0.1, port: {port}}}]\n"
        "rules: [{network: breast-ultrasound, send_to: [pacs]}]\n"
    )
    (work / "rules.yaml").write_text(rules, encoding="utf-8")
    found = ["--dicom", "0", "--spool", str(work / "spool"), "--rules", str(work / "rules.yaml")]
    return [*found, "--peers", f"{_AET}@127.0.0.0/8", "--quiet", "1", "--idle", "5"]


@contextmanager
def _association(
    port: int, context: str | None = None, *, address: str = "127.0.0.1"
) -> Iterator[Any]:
    entity = AE(_AET)
    entity.add_requested_context(context or Verification)
    one: Any = entity.associate("127.0.0.1", port, ae_title="BMIS", bind_address=(address, 0))
    try:
        yield one
    finally:
        if one.is_established:
            one.release()
        elif one.is_alive():
            one.abort()


def echo(port: int) -> str:
    """What a sender that asks politely gets."""
    with _association(port, address=_ELSEWHERE) as one:
        if not one.is_established:
            return "not let in"
        return "answered" if one.send_c_echo().get("Status") == 0 else "not answered"


def send_and_wait(port: int, there: Receiver) -> bool:
    """Send a sound series; whether its segmentation comes within two minutes."""
    dataset = _photo()
    there.wanted = dataset.StudyInstanceUID
    with _association(port, UltrasoundImageStorage, address=_ELSEWHERE) as one:
        if not one.is_established or one.send_c_store(dataset).get("Status") != 0:
            return False
    return there.came.wait(120)


def _photo() -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.PatientID, dataset.PatientName = "US", "1", "A^B"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = np.random.default_rng(0).integers(0, 256, 64 * 64, np.uint8).tobytes()
    return dataset


def _hold(port: int, count: int, first: bytes, seconds: float = 12) -> Counter[str]:
    """Open connections, send some bytes on each, and see which are closed within a while."""
    found = Counter[str]()
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            try:
                one = socket.create_connection(("127.0.0.1", port), timeout=5)
                stack.enter_context(one).sendall(first)
                opened.append(one)
            except OSError:
                found["not connected"] += 1
        end = time.monotonic() + seconds
        for one in opened:
            one.settimeout(max(0.001, end - time.monotonic()))
            try:
                answer = one.recv(1)
                found["an answer" if answer else "closed"] += 1
            except TimeoutError:
                found["still open"] += 1
            except OSError:
                found["closed"] += 1
    return found


def silent_connections(port: int) -> Counter[str]:
    """1,000 connections that say nothing."""
    return _hold(port, MANY, b"")


def half_pdus(port: int) -> Counter[str]:
    """Connections with the beginning of a request for an association."""
    return _hold(port, 50, b"\1\0\0\0\0\xcd\0\1")


def huge_pdus(port: int) -> Counter[str]:
    """Requests that announce four gigabytes."""
    return _hold(port, 50, b"\1\0" + struct.pack(">I", 2**32 - 1) + bytes(1000))


def noise(port: int) -> Counter[str]:
    """Bytes that are no DICOM, among them those of HTTP and TLS."""
    random = Random(0)
    kinds = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0",
        *(random.randbytes(64) for _ in "1234"),
    ]
    return sum((_hold(port, 5, kind) for kind in kinds), Counter[str]())


def hanging_associations(port: int) -> Counter[str]:
    """Associations that are made and then say nothing."""
    found = Counter[str]()
    opened = []
    for _ in range(12):
        entity = AE(_AET)
        entity.add_requested_context(Verification)
        one: Any = entity.associate("127.0.0.1", port, ae_title="BMIS")
        found["let in" if one.is_established else "sent away"] += 1
        opened.append(one)
    time.sleep(8)
    for one in opened:
        if one.is_established:
            found["still open"] += 1
            one.abort()
    return found


def foreign_titles(port: int) -> Counter[str]:
    """Senders under titles that are not known, or that call another."""
    found = Counter[str]()
    for number in range(100):
        entity = AE(f"CT{number + 2}" if number % 2 else _AET)
        entity.add_requested_context(Verification)
        one: Any = entity.associate("127.0.0.1", port, ae_title="BMIS" if number % 2 else "OTHER")
        found["let in" if one.is_established else "sent away"] += 1
        if one.is_established:
            one.abort()
    return found


def files(port: int) -> Counter[str]:
    """DICOM files of all kinds, most of them damaged."""
    found = Counter[str]()
    for number in range(FILES):
        _, data, _ = damaged_file(Random(f"hostile {number}"), Path("/nowhere"))
        found[_STATUS.get(status := _store(port, data), str(status))] += 1
    return found


def _store(port: int, data: bytes) -> int | None:
    """Send the bytes of a file as they are, under the UID that they have if they can be read."""
    sop_class, uid, at = str(UltrasoundImageStorage), str(generate_uid()), 0
    try:
        read = dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
        uid = str(read.get("SOPInstanceUID") or uid)
        at = 144 + read.file_meta.FileMetaInformationGroupLength
    except Exception:  # such a file is what this is about
        at = min(at, len(data))
    with _association(port, sop_class) as one:
        if not one.is_established:
            return None
        request: Any = C_STORE()
        request.MessageID, request.Priority = 1, 2
        try:
            request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
        except ValueError:  # no UID by any reading
            request.AffectedSOPInstanceUID = generate_uid()
        request.DataSet = io.BytesIO(data[at:] or b"\0\0")
        one._reactor_checkpoint.clear()
        one.dimse.send_msg(request, one.accepted_contexts[0].context_id)
        _, answer = one.dimse.get_msg(block=True)
        one._reactor_checkpoint.set()
        return None if answer is None else int(answer.Status)


ATTACKS: tuple[Callable[[int], Counter[str]], ...] = (
    *(silent_connections, half_pdus, huge_pdus, noise),
    *(hanging_associations, foreign_titles, files),
)
