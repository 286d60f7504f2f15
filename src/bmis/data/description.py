"""``dataset.yaml``: what the authors of a data set declare about it."""

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
    """The checked content of ``dataset.yaml``. What it does not declare is None or empty.

    Attributes:
        name: Name of the data set.
        modality: Kind of images, such as "ultrasound".
        licence: Licence of the images.
        classes: Names of the classes, background first.
        channels: 1 (grey) or 3 (RGB).
        spacing: Millimetres per pixel along rows and columns.

    Example:
        >>> Description(name="polyps", spacing=(0.1, 0.1)).channels is None
        True
    """

    name: str | None = None
    modality: str | None = None
    licence: str | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    spacing: tuple[float, float] | None = None


def read_description(root: Path) -> Description:
    """Read ``root/dataset.yaml``. Without that file the description is empty.

    Raises:
        DataError: The file is no YAML mapping, has an unknown key or a value of the wrong kind.

    Example:
        >>> read_description(Path("polyps")).classes
        ('background', 'polyp')
    """
    path = root / _FILE
    if not path.is_file():
        return Description()
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as YAML ({reason}); fix or remove it") from error
    if not isinstance(entries, dict):
        raise DataError(f"{path}: must have lines like 'name: my data', got {entries!r}")
    for key in entries:
        if key not in _KEYS:
            raise DataError(f"{path}: unknown entry {key!r}{did_you_mean(str(key), _KEYS)}")
    channels = entries.get("channels")
    if channels not in (None, 1, 3):
        raise DataError(f"{path}: channels must be 1 (grey) or 3 (RGB), got {channels!r}")
    texts = {k: None if entries.get(k) is None else str(entries[k]) for k in _KEYS[:3]}
    return Description(
        **texts,
        classes=_classes(entries.get("classes"), path),
        channels=channels,
        spacing=_spacing(entries.get("spacing"), path),
    )


def _classes(value: Any, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    names = [str(name) for name in value] if isinstance(value, list) else []
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) < len(names):
        raise DataError(
            f"{path}: classes must be a list of 2 to {MAX_CLASSES} different names, background "
            f"first, got {value!r}"
        )
    return tuple(names)


def _spacing(value: Any, path: Path) -> tuple[float, float] | None:
    if value is None:
        return None
    try:
        row, column = (float(side) for side in value)
    except (TypeError, ValueError):
        row = column = math.nan
    if not (0 < row < math.inf and 0 < column < math.inf):
        raise DataError(
            f"{path}: spacing must be [row, column] in mm per pixel, such as [0.1, 0.1], "
            f"got {value!r}"
        )
    return row, column
