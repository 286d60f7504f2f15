"""``dataset.yaml``: what the authors of a data set declare about it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Annotated, Any

from msgspec import Meta

from bmis.config import MAX_CHANNELS
from bmis.config.checks import check_value, one_of
from bmis.data.coding import MaskRules
from bmis.data.formats.nifti import AXES
from bmis.data.labels import MAX_CLASSES
from bmis.errors import ConfigError, DataError, did_you_mean
from bmis.system.plain_yaml import read_yaml

_FILE = "dataset.yaml"
_Text = str | int | float | bool | None
_Side = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
_KINDS: dict[str, Any] = {
    "name": Annotated[_Text, Meta(title="text")],
    "modality": Annotated[_Text, Meta(title="text")],
    "licence": Annotated[_Text, Meta(title="text")],
    "classes": Annotated[
        Annotated[list[str | int | float | bool], Meta(min_length=2, max_length=MAX_CLASSES)]
        | None,
        Meta(title=f"a list of 2 to {MAX_CLASSES} different names, background first"),
    ],
    "channels": Annotated[
        Annotated[int, Meta(ge=1, le=MAX_CHANNELS)] | None,
        Meta(title=f"their number, 1 (grey), 3 (RGB) or another up to {MAX_CHANNELS}"),
    ],
    "axis": Annotated[
        Annotated[str, one_of(*AXES)] | None,
        Meta(title="how volumes are cut: axial, coronal or sagittal"),
    ],
    "spacing": Annotated[
        tuple[_Side, _Side] | None,
        Meta(title="[row, column] in mm per pixel, such as [0.1, 0.1]"),
    ],
    "mask_threshold": Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(title="the value 1 to 65535 from which on a pixel is foreground, such as 128"),
    ],
    "first_class": Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        Meta(title="the value 0 to 255 of the background, such as 1"),
    ],
    "ignore": Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(title="the value 1 to 65535 of pixels that do not count, such as 255"),
    ],
}


@dataclass(frozen=True)
class Description:
    """The checked content of ``dataset.yaml``. What it does not declare is None or empty.

    Attributes:
        name: Name of the data set.
        modality: Kind of images, such as "ultrasound".
        licence: Licence of the images.
        classes: Names of the classes, background first.
        channels: Channels of the images: 1 is grey, 3 is RGB.
        axis: How NIfTI volumes are cut into slices.
        spacing: Millimetres per pixel along rows and columns.
        ignore: Value of pixels that count neither in losses nor in scores.
        mask_threshold: Value from which on pixels of grey masks are foreground.
        first_class: Value of the first class, which is the background.

    Example:
        >>> Description(name="polyps", spacing=(0.1, 0.1)).channels is None
        True
    """

    name: str | None = None
    modality: str | None = None
    licence: str | None = None
    classes: tuple[str, ...] = ()
    channels: int | None = None
    axis: str | None = None
    spacing: tuple[float, float] | None = None
    ignore: int | None = None
    mask_threshold: int | None = None
    first_class: int | None = None

    @property
    def mask_rules(self) -> MaskRules:
        """What this says of the values in masks."""
        first = self.first_class or 0
        return MaskRules(len(self.classes), self.ignore, self.mask_threshold, first)


def read_description(root: Path) -> Description:
    """Read ``root/dataset.yaml``. Without that file the description is empty.

    Raises:
        DataError: The file is no YAML mapping, has an unknown key or a value of the wrong kind.

    Example:
        >>> read_description(Path("polyps")).classes
        ('background', 'polyp')
    """
    path = root / _FILE
    if not path.exists():
        return Description()
    entries = read_yaml(path) or {}
    if not isinstance(entries, dict):
        raise DataError(f"{path}: must have lines like 'name: my data', got {short(entries)}")
    for key in entries:
        if key not in _KINDS:
            raise DataError(f"{path}: unknown entry {short(key)}{did_you_mean(str(key), _KINDS)}")
    try:
        found = Description(**{key: _read(key, value) for key, value in entries.items()})
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    if found.mask_threshold and found.first_class:
        raise DataError(f"{path}: has mask_threshold and first_class; leave one of them out")
    return found


def _read(key: str, value: Any) -> Any:
    """The value of an entry, checked; numbers may stand where names do."""
    value = check_value(key, value, _KINDS[key])
    if key in ("name", "modality", "licence"):
        return None if value is None else str(value)
    if key != "classes":
        return value
    names = tuple(map(str, value or ()))
    if len(set(names)) < len(names):
        raise ConfigError(f"classes must be different names, got {short(value)}")
    return names
