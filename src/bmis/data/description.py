"""``dataset.yaml``: what a data set says about itself."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bmis.data.labels import MAX_CLASSES
from bmis.errors import DataError, did_you_mean

_FILE = "dataset.yaml"
_KEYS = ("name", "modality", "licence", "classes", "channels", "spacing")


@dataclass(frozen=True)
class Description:
    """The checked content of ``dataset.yaml``; None or empty where it says nothing.

    Attributes:
        name: Of the data set.
        modality: Such as "ultrasound".
        licence: Of the images.
        classes: Names, background first.
        channels: 1 (grey) or 3 (RGB).
        spacing: Millimetres per pixel along rows and columns.
    """

    name: str | None = None
    modality: str | None = None
    licence: str | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    spacing: tuple[float, float] | None = None


def read_description(root: Path) -> Description:
    """Read ``root/dataset.yaml``; an empty description if there is none.

    Raises:
        DataError: It is no YAML mapping, has an unknown key or a value of the wrong kind.
    """
    path = root / _FILE
    if not path.is_file():
        return Description()
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as YAML ({reason}); mend or remove it") from error
    if not isinstance(said, dict):
        raise DataError(f"{path}: wanted are lines like 'name: my data', got {said!r}")
    for key in said:
        if key not in _KEYS:
            raise DataError(f"{path}: unknown entry {key!r}{did_you_mean(str(key), _KEYS)}")
    channels = said.get("channels")
    if channels not in (None, 1, 3):
        raise DataError(f"{path}: channels must be 1 (grey) or 3 (RGB), got {channels!r}")
    texts = {k: None if said.get(k) is None else str(said[k]) for k in _KEYS[:3]}
    return Description(
        **texts,
        classes=_classes(said.get("classes"), path),
        channels=channels,
        spacing=_spacing(said.get("spacing"), path),
    )


def _classes(said: Any, path: Path) -> tuple[str, ...]:
    if said is None:
        return ()
    names = [str(name) for name in said] if isinstance(said, list) else []
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) < len(names):
        raise DataError(
            f"{path}: classes must be a list of 2 to {MAX_CLASSES} different names, background "
            f"first, got {said!r}"
        )
    return tuple(names)


def _spacing(said: Any, path: Path) -> tuple[float, float] | None:
    if said is None:
        return None
    try:
        row, column = (float(side) for side in said)
    except (TypeError, ValueError):
        row = column = math.nan
    if not (0 < row < math.inf and 0 < column < math.inf):
        raise DataError(
            f"{path}: spacing must be [row, column] in mm per pixel, such as [0.1, 0.1], "
            f"got {said!r}"
        )
    return row, column
