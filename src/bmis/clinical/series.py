"""From the files of a study to stacks: what belongs together, in what order, and what is odd."""

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from bmis.clinical.geometry import Plane, plane_of, tilt_degrees
from bmis.clinical.stack import DicomStack
from bmis.data.formats.dicom import DicomFile
from bmis.data.formats.dicom_pixels import Window
from bmis.errors import one_line_about
from bmis.wording import counted

_SAME = 0.01  # mm: two slices nearer than this lie at one place
_GAP = 1.5  # times the usual distance, beyond which slices are missing
_TILT = 0.5  # degrees
_PERSON = ("PatientID", "StudyInstanceUID")  # careless copies without patient share UIDs
_PARTS = "abcdefghijklmnopqrstuvwxyz"


def make_stacks(files: Sequence[DicomFile], window: Window = "file") -> list[DicomStack]:
    """Group the images of any number of series, in any order.

    Each file of several frames is a stack. Files of one frame belong together if they are of one
    patient, study, series, kind, size and orientation. Where several lie at one place (phases of
    a heart, echoes), each becomes a stack of its own.

    Args:
        files: What ``read_dicom`` returned.
        window: See ``dicom_pixels``.

    Example:
        >>> from pathlib import Path
        >>> from bmis.data.formats.dicom import read_dicom
        >>> files = [read_dicom(path) for path in Path("ct").iterdir()]
        >>> (stack,) = make_stacks(files)
        >>> [path.name for path in map(stack.path, range(4))]
        ['4.dcm', '3.dcm', '2.dcm', '1.dcm']
    """
    series: dict[str, dict[Hashable, list[DicomFile]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        series[_uid(file)][_kind(file)].append(file)
    stacks = []
    for uid in sorted(series, key=lambda uid: _order_of_series(series[uid])):
        parts = [part for group in series[uid].values() for part in _parts(group)]
        for number, (frames, notes) in enumerate(parts):
            name = _name(frames[0][0], uid) + (f"-{_letters(number)}" if len(parts) > 1 else "")
            if len(parts) > 1:
                notes.append(f"one of {len(parts)} stacks of its series")
            stacks.append(DicomStack(name, frames, window, notes))
    return stacks


def checked(file: DicomFile) -> DicomFile:
    """The same file, if all that its place in a study rests on can be read.

    Raises:
        DataError: A value is damaged.

    Example:
        >>> from pathlib import Path
        >>> from bmis.data.formats.dicom import read_dicom
        >>> checked(read_dicom(Path("clip.dcm"))).frames
        3
    """
    with one_line_about(file.path, "send it again"):
        _kind(file), _uid(file), _name(file, _uid(file)), _number(file, "InstanceNumber")
    return file


def _uid(file: DicomFile) -> str:
    return str(file.header.get("SeriesInstanceUID") or file.path)


def _kind(file: DicomFile) -> Hashable:
    """What files of one stack have in common."""
    if file.frames > 1 or "PerFrameFunctionalGroupsSequence" in file.header:
        return str(file.header.get("SOPInstanceUID") or file.path)
    plane = plane_of(file.header)
    axes = None if plane is None else tuple(np.round([*plane.across, *plane.down], 3) + 0.0)
    names = ("SOPClassUID", "FrameOfReferenceUID", "SamplesPerPixel", *_PERSON)
    return file.size, axes, *(str(file.header.get(name)) for name in names)


def _order_of_series(groups: dict[Hashable, list[DicomFile]]) -> tuple[float, str]:
    file = next(iter(groups.values()))[0]
    return _number(file, "SeriesNumber"), _uid(file)


def _number(file: DicomFile, name: str) -> float:
    """A whole number of a header, infinity where there is none."""
    try:
        return float(int(file.header.get(name)))
    except (TypeError, ValueError):
        return math.inf


def _parts(files: Sequence[DicomFile]) -> Iterator[tuple[list[tuple[DicomFile, int]], list[str]]]:
    """The stacks of files of one kind, each with notes on it."""
    files = sorted(files, key=lambda one: (_number(one, "InstanceNumber"), str(one.path)))
    if len(files) == 1:
        yield [(files[0], index) for index in range(files[0].frames)], []
        return
    planes = [plane_of(file.header) for file in files]
    if any(plane is None for plane in planes):
        yield [(file, 0) for file in files], []
        return
    rounds: list[list[tuple[float, DicomFile, Plane]]] = []
    for along, group in _by_place(files, [plane for plane in planes if plane is not None]):
        for turn, (file, plane) in enumerate(group):
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append((along, file, plane))
    for one in rounds:
        yield [(file, 0) for _, file, _ in one], _notes(one)


def _by_place(
    files: Sequence[DicomFile], planes: Sequence[Plane]
) -> Iterator[tuple[float, list[tuple[DicomFile, Plane]]]]:
    """Place along the normal of the first slice, and all slices that lie there; rising."""
    places = [float(plane.position @ planes[0].normal) for plane in planes]
    group: list[tuple[DicomFile, Plane]] = []
    last = -math.inf
    for number in sorted(range(len(files)), key=places.__getitem__):  # stable: by instance number
        if group and places[number] - last > _SAME:
            yield last, group
            group = []
        last = places[number]
        group.append((files[number], planes[number]))
    yield last, group


def _notes(slices: Sequence[tuple[float, DicomFile, Plane]]) -> list[str]:
    """What is odd about the places of slices."""
    if len(slices) < 3:
        return []
    gaps = [second[0] - first[0] for first, second in pairwise(slices)]
    usual = float(np.median(gaps))
    missing = sum(round(gap / usual) - 1 for gap in gaps if gap > _GAP * usual)
    notes = [f"{counted(missing, 'slice')} missing (by the gaps between slices)"] if missing else []
    step = slices[-1][2].position - slices[0][2].position
    tilt = tilt_degrees(slices[0][2], step)
    if tilt > _TILT:
        notes.append(f"slices are shifted by a gantry tilt of {tilt:.1f} degrees")
    return notes


def _name(file: DicomFile, uid: str) -> str:
    """A name of a series that tells nothing of the patient: modality, number, digest of its UID."""
    modality = re.sub(r"[^A-Z0-9]", "", str(file.header.get("Modality") or "").upper())[:8]
    number = _number(file, "SeriesNumber")
    shown = "" if not math.isfinite(number) else f"-{abs(int(number)):d}"[:8]
    return f"{modality or 'image'}{shown}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"


def _letters(number: int) -> str:
    """Letters for a number: a, b, ... z, ba, bb, ..."""
    text = ""
    while not text or number:
        number, rest = divmod(number, len(_PARTS))
        text = _PARTS[rest] + text
    return text
