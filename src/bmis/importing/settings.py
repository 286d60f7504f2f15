"""How a source is read where it leaves a choice; no torch."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from bmis.config import Settings
from bmis.config.checks import one_of

FORMATS = (
    *("coco", "labelme", "yolo", "cvat", "voc"),
    *("drive", "hrf", "one-hot", "masks"),
)
"""Names of all formats, in the order in which ``auto`` tries them."""


@dataclass(frozen=True)
class ImportOptions(Settings):
    """How a source is read where it leaves a choice.

    Example:
        >>> ImportOptions(format="coco").instances
        'ask'
        >>> ImportOptions(format="cocoa")
        Traceback (most recent call last):
        bmis.errors.ConfigError: unknown format 'cocoa' (did you mean 'coco'?); available: auto, ...
    """

    format: Annotated[
        str,
        one_of("auto", *FORMATS),
        Meta(description="Format of the source; auto recognises it by its files."),
    ] = "auto"
    mask_threshold: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Grey masks: values from this on are foreground, as stored (128) or as a "
            "share of the largest (0.5). If not given, masks with grey edges are cut at half."
        ),
    ] = None
    classes: Annotated[
        tuple[str, ...],
        Meta(
            description="Names of the classes; background comes first and may be left out. Where "
            "the source names its classes, those to take, in this order."
        ),
    ] = ()
    groups: Annotated[
        bool,
        Meta(description="Take the patients that the file names show as groups of splits.csv."),
    ] = False
    instances: Annotated[
        str,
        one_of("ask", "foreground", "classes"),
        Meta(
            description="Masks that number objects: all objects are foreground, or each number is "
            "a class; ask refuses them."
        ),
    ] = "ask"
