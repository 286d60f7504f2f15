"""Which DICOM files are of one patient, by all that their headers have in common.

Identifiers are not always there: of a study one file may have lost that of its patient. So files
belong together as soon as they share one identifier, also by way of a third file.
"""

from hashlib import sha256
from typing import Any, Protocol

_SHARED = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
_DIGITS = 8  # of a digest that stands for a patient


class Header(Protocol):
    """What is asked of a header of DICOM.

    Example:
        >>> header: Header = {"PatientID": "7"}
    """

    def get(self, name: str, /) -> Any:
        """The value of an element, None where there is none."""


class Patients:
    """Groups of files that tell nothing of the patient.

    Example:
        >>> patients = Patients()
        >>> patients.add("a", {"PatientID": "7", "StudyInstanceUID": "1.2"})
        >>> patients.add("b", {"StudyInstanceUID": "1.2"})
        >>> patients.add("c", {"PatientID": "8"})
        >>> groups = [patients.group(name) for name in "abc"]
        >>> groups[0] == groups[1], groups[0] == groups[2], groups[2]
        (True, False, 'patient-2c624232')
    """

    def __init__(self) -> None:
        self._leads_to: dict[tuple[str, str], tuple[str, str]] = {}
        self._known_by: dict[str, tuple[str, str]] = {}

    def add(self, name: str, header: Header) -> None:
        """Take in a file.

        Args:
            name: Its name, which no other file has.
            header: Its header.
        """
        values = ((kind, str(header.get(kind) or "").strip()) for kind in _SHARED)
        keys = [(kind, value) for kind, value in values if value] or [("file", name)]
        self._known_by[name] = keys[0]
        for key in keys:
            one, other = self._first(key), self._first(keys[0])
            self._leads_to[max(one, other, key=_rank)] = min(one, other, key=_rank)

    def group(self, name: str) -> str:
        """The group of a file, once all files are added."""
        _, value = self._first(self._known_by[name])
        return f"patient-{sha256(value.encode()).hexdigest()[:_DIGITS]}"

    def _first(self, key: tuple[str, str]) -> tuple[str, str]:
        """What stands for all that belongs together with a key."""
        while (after := self._leads_to.setdefault(key, key)) != key:
            self._leads_to[key] = self._leads_to[after]  # shortens the way for whoever comes next
            key = after
        return key


def _rank(key: tuple[str, str]) -> tuple[int, str]:
    """Identifiers of patients come first, so that they name the group."""
    kind, value = key
    return (_SHARED.index(kind) if kind in _SHARED else len(_SHARED)), value
