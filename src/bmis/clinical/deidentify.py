"""Copies of DICOM images without their patient, by the basic profile of the standard (PS3.15).

The list of attributes and what becomes of each is that of ``dicom-anonymizer``, which is made from
table E.1-1. It is applied here to every level of a data set, and UIDs are replaced in one way
everywhere, so that copies and what is made of them belong together.

Pixels stay as they are. So an image that says that text is burnt into it is refused.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.clinical.uids import hashed_uid
from bmis.data.formats.dicom import DicomFile, NoPictureError, is_dicom, read_dicom, whole_dataset
from bmis.errors import DataError, one_line_about, require
from bmis.system.files import atomic, output_folder
from bmis.system.progress import track

if TYPE_CHECKING:
    from pydicom import Dataset

_METHOD = "dicom-anonymizer, Basic Application Confidentiality Profile"
_PROFILE = ("113100", "DCM", "Basic Application Confidentiality Profile")
_EDITION = "dicomfields_2026c"  # edition of the standard that the list is of
_DIGITS = 16  # of the names of copies
_NO_YEAR, _YEAR = "0001", "1900"  # of dates that the library puts in; before 1000 is no valid one
_META = (  # what is kept of the header before the data set
    *("FileMetaInformationVersion", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"),
    "TransferSyntaxUID",
)
_STANDARD = "1.2.840.10008."  # UIDs below it name kinds of things, not things


def write_copies(
    files: Sequence[Path], folder: Path, root: str
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Write a copy without patient of each DICOM image, and of no other DICOM object.

    Args:
        files: Files of any kind.
        folder: Where the copies go.
        root: Root of the new UIDs.

    Returns:
        The copies and the files that are no DICOM image; and files that cannot be copied, each with
        one line that says why.

    Raises:
        DataError: The folder cannot be written to.
        MissingExtraError: The extra "clinical" is not installed.

    Example:
        >>> (copy,), failed = write_copies([Path("skin.dcm")], Path("copies"), "2.25")
        >>> header = read_dicom(copy).header
        >>> header.PatientIdentityRemoved, "Doe" in str(header), failed
        ('YES', False, [])
    """
    _library()
    kept: list[Path] = []
    failed: list[tuple[Path, str]] = []
    for path in track(files, "removing patients", total=len(files)):
        try:
            kept.append(_copy(path, folder, root) if is_dicom(path) else path)
        except NoPictureError:
            kept.append(path)  # to be counted, and read no further
        except DataError as error:
            failed.append((path, str(error)))
    return kept, failed


def _copy(path: Path, folder: Path, root: str) -> Path:
    file = read_dicom(path)
    _check_burnt_in(file)
    with one_line_about(path, "send it again"):
        dataset = whole_dataset(file)
        _clean(dataset, root)
        _declare(dataset)
        names = (dataset.get("SeriesInstanceUID"), dataset.get("SOPInstanceUID"))
        series, own = (hashlib.sha256(str(uid).encode()).hexdigest()[:_DIGITS] for uid in names)
    target = output_folder(folder / series) / f"{own}.dcm"
    with atomic(target) as temporary, one_line_about(path, "send it again"):
        dataset.save_as(temporary, enforce_file_format=True)
    return target


def _check_burnt_in(file: DicomFile) -> None:
    if str(file.header.get("BurnedInAnnotation") or "").upper() == "YES":
        raise DataError(
            f"{file.path}: says that text is burnt into its pixels, which stays in a copy; blacken "
            "it first, and set BurnedInAnnotation to NO"
        )


def _library() -> Any:
    return require("dicomanonymizer.simpledicomanonymizer", extra="clinical")


def _clean(dataset: "Dataset", root: str) -> None:
    """Apply the profile to a data set and to the items of all its sequences."""
    library = _library()
    # a copy, because the library writes the rules of its caller into it
    library.anonymize_dataset(dataset, _own_rules(root), True, lambda: dict(_base_rules()))
    for element in list(dataset):
        if element.VR in ("DA", "DT") and str(element.value).startswith(_NO_YEAR):
            element.value = f"{_YEAR}{str(element.value)[len(_NO_YEAR) :]}"
        for item in element.value if element.VR == "SQ" else ():
            _clean(item, root)


@cache
def _base_rules() -> dict[tuple[int, ...], Any]:
    return dict(_library().initialize_actions(_EDITION))


@cache
def _own_rules(root: str) -> dict[tuple[int, ...], Callable[["Dataset", Any], None]]:
    """Rules of the library for UIDs, but with UIDs that follow from the old ones."""
    library = _library()

    def replace(dataset: "Dataset", tag: Any) -> None:
        element = dataset.get(tag)
        if element is not None and element.value:
            many = isinstance(element.value, list) or element.VM > 1
            found = [
                _new_uid(str(uid), root) for uid in (element.value if many else [element.value])
            ]
            element.value = found if many else found[0]

    def replace_inside(dataset: "Dataset", tag: Any) -> None:
        element = dataset.get(tag)
        if element is not None and element.VR != "SQ":  # of whose items each is cleaned by itself
            replace(dataset, tag)

    own = {
        library.replace_UID: replace,
        library.delete_or_empty_or_replace_UID: replace_inside,
    }
    return {tag: own[rule] for tag, rule in _base_rules().items() if rule in own}


def _new_uid(uid: str, root: str) -> str:
    return uid if uid.startswith(_STANDARD) else hashed_uid(root, f"without patient {uid}")


def _declare(dataset: "Dataset") -> None:
    """Say in a copy that it is one."""
    from pydicom import Dataset, Sequence

    profile = Dataset()
    profile.CodeValue, profile.CodingSchemeDesignator, profile.CodeMeaning = _PROFILE
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    dataset.DeidentificationMethodCodeSequence = Sequence([profile])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for name in (
        "SourceApplicationEntityTitle",
        "PrivateInformation",
        "PrivateInformationCreatorUID",
    ):
        if name in dataset.file_meta:
            delattr(dataset.file_meta, name)
    dataset.preamble = bytes(128)
