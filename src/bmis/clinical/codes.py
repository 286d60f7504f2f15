"""Codes of classes in DICOM: SNOMED CT where the name is known, else a private scheme (99BMIS)."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bmis.config.model import ModelInfo
from bmis.errors import require

PRIVATE_SCHEME = "99BMIS"
_LONGEST_VALUE, _LONGEST_MEANING = 16, 64
_ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")
_ANATOMY = ("91723000", "SCT", "Anatomical Structure")
_REGION = ("309825002", "SCT", "Spatial and Relational Concept")
_KNOWN = {  # DICOM PS3.16, CID 7150 and CID 7151, 6201, 8135
    "lesion": (_ABNORMAL, ("52988006", "SCT", "Lesion")),
    "tumour": (_ABNORMAL, ("108369006", "SCT", "Neoplasm")),
    "tumor": (_ABNORMAL, ("108369006", "SCT", "Neoplasm")),
    "polyp": (_ABNORMAL, ("68496003", "SCT", "Polyp of colon")),
    "lung": (_ANATOMY, ("39607008", "SCT", "Lung")),
    "heart": (_ANATOMY, ("80891009", "SCT", "Heart")),
    "vessel": (_ANATOMY, ("59820001", "SCT", "Blood Vessel")),
    "nucleus": (_ANATOMY, ("84640000", "SCT", "Nucleus")),
}


class Code(NamedTuple):
    """A code of DICOM.

    Attributes:
        value: At most 16 characters.
        scheme: Where it is defined, such as SCT for SNOMED CT.
        meaning: For people to read, at most 64 characters.

    Example:
        >>> Code("39607008", "SCT", "Lung").scheme
        'SCT'
    """

    value: str
    scheme: str
    meaning: str


ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")


def codes_of(name: str, given: Mapping[str, str]) -> tuple[Code, Code]:
    """Category and type of a class.

    Args:
        name: Name of the class.
        given: Codes as SCHEME:VALUE:MEANING by name, which come first.

    Example:
        >>> codes_of("lung", {})[1]
        Code(value='39607008', scheme='SCT', meaning='Lung')
        >>> codes_of("drain", {})[1]
        Code(value='drain', scheme='99BMIS', meaning='drain')
        >>> codes_of("lesion", {"lesion": "SCT:95324001:Skin lesion"})[1].value
        '95324001'
    """
    category, known = _KNOWN.get(name.lower(), (_REGION, None))
    if name in given:
        scheme, value, meaning = (part.strip() for part in given[name].split(":", 2))
        known = (value[:_LONGEST_VALUE], scheme[:_LONGEST_VALUE], meaning[:_LONGEST_MEANING])
    if known is None:
        plain = re.fullmatch(r"[A-Za-z0-9_-]+", name) and len(name) <= _LONGEST_VALUE
        value = name if plain else hashlib.sha256(name.encode()).hexdigest()[:_LONGEST_VALUE]
        known = (value, PRIVATE_SCHEME, name.replace("\\", "/")[:_LONGEST_MEANING])
    return Code(*category), Code(*known)


def foreground(info: ModelInfo) -> list[tuple[int, str]]:
    """Label and name of each class that is no background.

    Example:
        >>> from bmis.config import InputSpec, ModelConfig
        >>> foreground(ModelInfo(ModelConfig(), InputSpec(), ("background", "polyp")))
        [(1, 'polyp')]
    """
    return list(enumerate(info.classes))[1:] or [(1, info.classes[0])]


def concept(code: Code) -> Any:
    """A code as highdicom takes it.

    Example:
        >>> concept(Code("39607008", "SCT", "Lung")).meaning
        'Lung'
    """
    return require("highdicom.sr", extra="clinical").CodedConcept(*code)
