"""What identifies a DICOM object, and what rules ask of its series."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from bmis.data.formats.dicom import load_pydicom, silence
from bmis.errors import DataError, one_line_about

_UID = re.compile(r"[0-9A-Za-z.-]{1,64}")  # some devices write letters
_TAGS = ("SOPInstanceUID", "SeriesInstanceUID", "Modality", "BodyPartExamined", "SeriesDescription")


@dataclass(frozen=True)
class Identity:
    """An object and its series.

    Attributes:
        uid: SOP instance UID.
        series: Series instance UID.
        modality: Such as US; empty where the header has none, as the two below.
        body_part: Body part examined.
        description: Series description.

    Example:
        >>> Identity("1.2", "1.3", "US", "BREAST", "").series
        '1.3'
    """

    uid: str
    series: str
    modality: str = ""
    body_part: str = ""
    description: str = ""


def read_identity(path: Path) -> Identity:
    """Read what identifies an object; nothing else of its header is kept.

    Raises:
        DataError: It is damaged, or has no UIDs.

    Example:
        >>> identity = read_identity(Path("clip.dcm"))
        >>> identity.modality, identity.series == identity.uid
        ('US', False)
    """
    from pydicom import dcmread

    load_pydicom()
    silence()
    with one_line_about(path, "send it again"):
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
        values = [str(header.get(name) or "") for name in _TAGS]
    for value, name in zip(values[:2], _TAGS, strict=False):
        if not _UID.fullmatch(value):
            raise DataError(f"{path}: no {name}, or a wrong one; send an object that has one")
    return Identity(*values)


def digest(uid: str) -> str:
    """What an object or a series is called in the spool and in logs.

    Example:
        >>> digest("1.2.3")[:8]
        'c47f5b18'
    """
    return hashlib.sha256(uid.encode("utf-8", "surrogateescape")).hexdigest()[:32]
