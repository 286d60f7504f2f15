"""The tables beside the masks: a row for each mask and class, and one for each object."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bmis.predict.mask import Mask
from bmis.predict.measurements import Measurement, measure
from bmis.predict.objects import measure_objects
from bmis.system.files import to_csv, write_text

COLUMNS = (  # of measurements.csv; one row per mask and class, no value where there is none
    "id", "file", "class", "area_px", "area_mm2", "fraction", "top", "left", "height", "width",
    "row", "column", "diameter_px", "diameter_mm", "ood_score", "expected_dice", "objects",
)  # fmt: skip
OBJECT_COLUMNS = (*COLUMNS[:3], "object", *COLUMNS[3:-3])  # of objects.csv; one row per object


@dataclass(frozen=True)
class Tables:
    """The rows of ``measurements.csv`` and ``objects.csv`` so far.

    Attributes:
        classes: Names of the classes, background first.
        spacing: Millimetres per pixel (down, across) of masks that do not know their own.
        findings: What each mask shows, in a few words, by the path of its image.

    Example:
        >>> import bmis
        >>> tables = Tables(("background", "polyp"))
        >>> tables.add(Path("photo.png"), bmis.load("run")("photo.png"))
        >>> tables.write(Path())
        PosixPath('measurements.csv')
        >>> tables.findings[Path("photo.png")]
        'polyp 91 px'
    """

    classes: Sequence[str]
    spacing: tuple[float, float] | None = None
    findings: dict[Path, str] = field(default_factory=dict)
    _masks: list[list[object]] = field(default_factory=list)
    _objects: list[list[object]] = field(default_factory=list)

    def add(self, path: Path, mask: Mask, name: str | None = None) -> None:
        """Measure the mask of an image, and all objects in it.

        Its id is the name of its file without the suffix, or another one for a file that holds
        several images.
        """
        spacing = mask.spacing or self.spacing
        image_id = path.stem if name is None else name
        shown = []
        for index, class_name in list(enumerate(self.classes))[1:] or [(1, self.classes[0])]:
            measured = measure(mask.labels, index, spacing)
            found = _columns(measured)
            objects = list(measure_objects(mask.labels, index, spacing))
            scores = mask.ood_score, mask.expected_dice
            row = (image_id, path, class_name, *found, *scores, len(objects))
            self._masks.append(_digits(row))
            if objects:
                shown.append(_in_words(class_name, measured, len(objects)))
            for number, one in enumerate(objects, start=1):
                self._objects.append(_digits((image_id, path, class_name, number, *_columns(one))))

        if mask.expected_dice is not None:
            note = f" ({mask.expected_dice_note})" if mask.expected_dice_note else ""
            shown = shown or ["nothing found"]
            shown.append(f"expected Dice {mask.expected_dice:.2f}{note}")
        self.findings[path] = ", ".join(shown or ["nothing found"])

    def write(self, folder: Path) -> Path:
        """Write both tables; the path of ``measurements.csv``."""
        target = folder / "measurements.csv"
        write_text(target, to_csv([COLUMNS, *self._masks]))
        write_text(folder / "objects.csv", to_csv([OBJECT_COLUMNS, *self._objects]))
        return target


def _in_words(name: str, found: Measurement, objects: int) -> str:
    """One class in a few words: "polyp 12.3 mm", "polyp 334 px in 2 pieces"."""
    if found.diameter_mm is not None:
        size = f"{found.diameter_mm:.1f} mm"
    else:
        size = f"{found.diameter_px:.0f} px"
    return f"{name} {size}" + (f" in {objects} pieces" if objects > 1 else "")


def _digits(values: Iterable[object]) -> list[object]:
    return [f"{value:.6g}" if isinstance(value, float) else value for value in values]


def _columns(found: Measurement) -> tuple[object, ...]:
    box, centroid = found.box or ("",) * 4, found.centroid or ("",) * 2
    return (
        found.area_px,
        found.area_mm2,
        found.fraction,
        *box,
        *centroid,
        found.diameter_px,
        found.diameter_mm,
    )
