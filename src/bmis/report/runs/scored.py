"""The scores of some images of a run, as ``bmis evaluate`` and ``bmis train`` leave them."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmis.config.run_files import CASES_FILE, MASKS_FILE, MEAN_ROW, METRICS_FILE
from bmis.errors import one_line_about
from bmis.metrics import METRICS
from bmis.report.results import plain

_TITLES = {"train": "Training", "val": "Validation", "test": "Test", "all": "All"}


@dataclass(frozen=True)
class ScoredCase:
    """One scored image.

    Attributes:
        values: The mean of each metric over the classes; None where it is undefined.
        outcome: "present", "missed", "false_alarm" or "correctly_empty".

    Example:
        >>> ScoredCase({"dice": 0.8}, "present").values["dice"]
        0.8
    """

    values: Mapping[str, float | None]
    outcome: str


@dataclass(frozen=True)
class ScoredImages:
    """The scored images of one split.

    Attributes:
        folder: Where the files are.
        about: The content of ``metrics.json``.
        cases: The images by id.
        masks: Their predicted masks as text, see ``data.mask_text``.

    Example:
        >>> from bmis import evaluate_model
        >>> folder = evaluate_model("run", out="scores").out
        >>> scored = read_scored(folder)
        >>> scored.title, len(scored.cases), scored.unit
        ('Test images', 2, 'px')
    """

    folder: Path
    about: Mapping[str, Any]
    cases: Mapping[str, ScoredCase]
    masks: Mapping[str, str]

    @property
    def split(self) -> str:
        """The split: train, val, test, or all."""
        return plain(self.about.get("split"))

    @property
    def title(self) -> str:
        """What the images are, as a heading."""
        return f"{_TITLES.get(self.split, 'Scored')} images"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, background first."""
        return tuple(map(plain, self.about["classes"]))

    @property
    def unit(self) -> str:
        """Unit of distances."""
        return plain(self.about["unit"])

    @property
    def summary(self) -> Mapping[str, Any]:
        """See ``metrics.summarise_cases``."""
        return self.about["summary"]  # type: ignore[no-any-return]

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were scored, where it is known."""
        epoch = (self.about.get("training") or {}).get("best_epoch")
        return epoch if isinstance(epoch, int) else None

    def worst_first(self) -> list[str]:
        """The ids by Dice; correctly empty images only if there are no others."""
        shown = [c for c, case in self.cases.items() if case.outcome != "correctly_empty"]
        return sorted(shown or self.cases, key=lambda c: (self.cases[c].values["dice"] or 0.0, c))


def read_scored(folder: Path) -> ScoredImages | None:
    """Read the scores in a folder.

    Returns:
        None where the folder holds no scores.

    Raises:
        DataError: A file is damaged.

    Example:
        >>> read_scored(Path("run")) is None  # not evaluated yet
        True
    """
    file = folder / METRICS_FILE
    if not file.exists():
        return None
    with one_line_about(file, fix="run `bmis evaluate` again"):
        about = json.loads(file.read_text(encoding="utf-8"))
        list(about["classes"]), about["unit"], about["summary"]["classes"]
    with one_line_about(folder / CASES_FILE, fix="run `bmis evaluate` again"):
        cases = _read_cases(folder / CASES_FILE)
    masks = folder / MASKS_FILE
    found: dict[str, str] = {}
    if masks.exists():  # those of earlier versions left none
        with one_line_about(masks, fix="run `bmis evaluate` again"):
            found = dict(json.loads(masks.read_text(encoding="utf-8")))
    return ScoredImages(folder, about, cases, found)


def _read_cases(file: Path) -> dict[str, ScoredCase]:
    """The rows of all images: the means over their classes."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["class"] == MEAN_ROW]
    return {
        row["id"]: ScoredCase({m: float(row[m]) if row[m] else None for m in METRICS}, row["state"])
        for row in rows
    }
