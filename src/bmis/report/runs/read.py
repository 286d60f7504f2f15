"""A run folder as a value: what a training was asked, what it did, how good it is."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bmis.config import MODEL_FILE, SETTINGS_FILE
from bmis.config.run_files import ENVIRONMENT_FILE, FACTS_FILE, LOG_FILE, VALIDATION_FOLDER
from bmis.errors import DataError, one_line_about
from bmis.report.results import plain
from bmis.report.runs.scored import ScoredImages, read_scored
from bmis.system.plain_yaml import read_yaml


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: The folder.
        settings: The content of ``config.yaml``.
        log: The rows of ``log.csv``: one number a column, unknown ones left out.
        environment: The content of ``environment.json``; empty where there is none.
        facts: The content of ``facts.json``; empty where there is none, as in older runs.
        scored: Scored images, those of ``bmis evaluate`` first.

    Example:
        >>> run = read_run("run")
        >>> run.epochs, run.best_epoch, run.model, [scored.split for scored in run.scored]
        (1, 1, 'bmis', ['val'])
    """

    folder: Path
    settings: Mapping[str, Any]
    log: Sequence[Mapping[str, float]]
    environment: Mapping[str, Any]
    facts: Mapping[str, Any]
    scored: tuple[ScoredImages, ...]

    @property
    def model(self) -> str:
        """Name of the network."""
        return plain(self.settings.get("model"))

    @property
    def data(self) -> str:
        """Name of the data set."""
        return plain(self.facts.get("data", {}).get("name") or Path(self.settings["data"]).name)

    @property
    def epochs(self) -> int:
        """Number of epochs that were asked for."""
        return int(self.settings.get("epochs") or len(self.log))

    @property
    def patience(self) -> int:
        """Epochs without a better one after which the training ends; 0 for never."""
        return int(self.recipe.get("patience") or 0)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """All settings of the recipe; empty where they are not known."""
        found = self.environment.get("recipe")
        return found if isinstance(found, dict) else {}

    @property
    def is_over(self) -> bool:
        """Whether the training is at its end."""
        return len(self.log) >= self.epochs or 0 < self.patience <= len(self.log) - self.best_epoch

    @cached_property
    def best_epoch(self) -> int:
        """The epoch, from 1, whose weights are kept: that of the highest IoU plus Dice.

        The first of equal ones; as long as nothing was found, the latest.
        """
        scores = [row.get("val_iou", 0.0) + row.get("val_dice", 0.0) for row in self.log]
        highest = max(scores)
        return 1 + scores.index(highest) if highest > 0 else len(scores)

    @property
    def best(self) -> Mapping[str, float]:
        """The row of the best epoch."""
        return self.log[self.best_epoch - 1]

    @property
    def seconds(self) -> float:
        """Time of all epochs."""
        return sum(row.get("seconds", 0.0) for row in self.log)

    @property
    def weights_bytes(self) -> int | None:
        """Size of ``model.safetensors``; None where it is not there."""
        file = self.folder / MODEL_FILE
        return file.stat().st_size if file.is_file() else None

    def column(self, name: str) -> dict[int, float]:
        """One column of the log by epoch, where it is known."""
        return {epoch: row[name] for epoch, row in enumerate(self.log, start=1) if name in row}


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a training.

    Example:
        >>> is_run(Path("run")), is_run(Path("polyps"))
        (True, False)
    """
    return (folder / SETTINGS_FILE).is_file() and not (folder / "images").exists()


def read_run(folder: Path | str) -> Run:
    """Read a run folder.

    Raises:
        DataError: It is no run folder, no epoch is finished yet, or a file is damaged.

    Example:
        >>> read_run("polyps")
        Traceback (most recent call last):
        bmis.errors.DataError: polyps: is no run folder; name one that `bmis train` wrote
    """
    folder = Path(folder)
    if not is_run(folder):
        raise DataError(f"{folder}: is no run folder; name one that `bmis train` wrote")
    if not (folder / LOG_FILE).is_file():
        raise DataError(f"{folder}: no epoch is finished yet; wait for the first one")
    settings = read_yaml(folder / SETTINGS_FILE)
    if not isinstance(settings, dict) or not isinstance(settings.get("data"), str):
        raise DataError(f"{folder / SETTINGS_FILE}: does not name the data; restore the file")
    with one_line_about(folder / LOG_FILE, fix="train again"):
        log = _read_log(folder / LOG_FILE)
    scored = [read_scored(place) for place in (folder, folder / VALIDATION_FOLDER)]
    return Run(
        folder,
        settings,
        log,
        _read_json(folder / ENVIRONMENT_FILE),
        _read_json(folder / FACTS_FILE),
        tuple(found for found in scored if found),
    )


def _read_log(file: Path) -> list[dict[str, float]]:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
    if not rows:
        raise DataError(f"{file}: no epoch is finished yet; wait for the first one")
    return [{k: v for k, v in row.items() if math.isfinite(v)} for row in rows]


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    with one_line_about(file, fix="remove it; the page does without"):
        return dict(json.loads(file.read_text(encoding="utf-8")))
