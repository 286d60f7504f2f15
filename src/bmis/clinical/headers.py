"""Headers of images as new DICOM objects refer to them and take over patient and study."""

import re
from copy import deepcopy
from typing import TYPE_CHECKING

from bmis.clinical.stack import DicomStack
from bmis.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_NUMBER = 900
"""Number of the first series that is written; scanners rarely come as far."""

MANUFACTURER, SERIAL = "bmis", "0"
_EMPTY = (  # what a header must have, if only without a value
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "Modality", "Laterality"),
)
_TIMES = ("StudyDate", "StudyTime", "PatientBirthDate")
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def complete_header(header: "Dataset") -> "Dataset":
    """A header as highdicom needs it: what may be empty but must be there is there.

    Args:
        header: Header of a file; it is not changed.

    Example:
        >>> from pydicom import Dataset
        >>> complete_header(Dataset()).PatientID
        ''
    """
    complete = deepcopy(header)  # a shallow copy of pydicom shares its elements
    for name in _EMPTY:
        if complete.get(name) is None:
            setattr(complete, name, "")
    for name in _TIMES:  # before 1993 they were written 14:04:38 and 1994.02.07
        value = str(complete.get(name) or "")
        if ":" in value or value.count(".") > 1:
            setattr(complete, name, re.sub("[:.]", "", value))
    return complete


def check_identifiers(stack: DicomStack) -> None:
    """Check that a new object can refer to all images of a stack.

    Args:
        stack: The images.

    Raises:
        DataError: One has no UID that a reference needs.

    Example:
        >>> from pathlib import Path
        >>> from bmis.clinical.study import find_stacks
        >>> check_identifiers(find_stacks([Path("clip.dcm")]).stacks[0])
    """
    for file in stack.files:
        for name in _UIDS:
            if not file.header.get(name):
                raise DataError(
                    f"{file.path}: no {name} in its header, so no DICOM object can refer to it; "
                    "write nifti, tiff, png, csv or json"
                )
