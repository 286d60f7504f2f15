"""The records of the paper's table, by method and modality, and what each method costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

from bmis import Record, paired_difference, read_records
from bmis.metrics import PairedDifference
from bmis.report.statistics import holm
from pages.records import NAMES, PAPER_TABLE, known

FOLDER = PAPER_TABLE / "128x9000"
FIVE = NAMES[:5]  # the paper's; nuclei are a sixth
BASE = "bmis"
ALPHA = 0.05
COSTS = {  # of ``costs_of``: heading, what a value is divided by, decimals
    "parameters": ("parameters, M", 1e6, 3),
    "macs": ("GMACs", 1e9, 3),
    "training_mb": ("training, MB", 1, 0),
    "inference_mb": ("inference, MB", 1, 1),
    "step_ms": ("training step, ms", 1, 0),
    "latency_p50_ms": ("torch, ms", 1, 1),
    "onnxruntime": ("ONNX Runtime, ms", 1, 2),
    "openvino": ("OpenVINO, ms", 1, 2),
    "mb": ("bundle, MB", 1, 2),
}


@dataclass(frozen=True)
class Row:
    """One method on one data set.

    Attributes:
        record: What it scored.
        gain: BMIS minus it, image by image; None for BMIS itself, or where BMIS is missing.
        p: The p of that, corrected by Holm over all methods on the data set.
    """

    record: Record
    gain: PairedDifference | None
    p: float

    @property
    def iou(self) -> float:
        return float(self.record.summary["cases"]["iou"]["mean"])

    @property
    def verdict(self) -> str:
        """Whether BMIS is "better" or "worse" than it; "" where neither can be shown."""
        if self.gain is None or self.p >= ALPHA or not self.gain.agrees:
            return ""
        return "better" if self.gain.mean > 0 else "worse"


@cache
def rows_of(name: str) -> tuple[Row, ...]:
    """All methods on one data set, the best first."""
    records = [one for one in read_records(FOLDER / name) if one.status == "done"]
    values = {record.trial.method: known(record, "iou") for record in records}
    others = [method for method in values if method != BASE and BASE in values]
    gains = {method: paired_difference(values[BASE], values[method]) for method in others}
    p = dict(zip(gains, holm([gain.p for gain in gains.values()]), strict=True))
    rows = [
        Row(record, gains.get(record.trial.method), p.get(record.trial.method, 1.0))
        for record in records
    ]
    return tuple(sorted(rows, key=lambda row: -row.iou))


@cache
def measured() -> dict[str, Any]:
    """What ``paper_costs.py`` wrote: costs by method."""
    file = FOLDER / "costs.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"methods": {}}


def there() -> list[str]:
    """The data sets that have records, in the order of the page."""
    return [name for name in NAMES if (FOLDER / name).is_dir()]


def by_method() -> dict[str, dict[str, Row]]:
    """The rows of each method by data set."""
    found: dict[str, dict[str, Row]] = {}
    for name in there():
        for row in rows_of(name):
            found.setdefault(row.record.trial.method, {})[name] = row
    return found


@cache
def so_far() -> tuple[str, ...]:
    """The modalities, of the five, that BMIS has been trained on."""
    return tuple(name for name in FIVE if name in by_method().get(BASE, {}))


def complete() -> dict[str, dict[str, Row]]:
    """The methods that have been trained on all of these, the best mean IoU first."""
    names = so_far()
    whole = {m: rows for m, rows in by_method().items() if names and all(n in rows for n in names)}
    return dict(sorted(whole.items(), key=lambda item: -mean_iou(item[1])))


def mean_iou(rows: Mapping[str, Row]) -> float:
    """The mean over the modalities that BMIS has been trained on, each with the same weight."""
    return fmean(rows[name].iou for name in so_far())


def ways_of(method: str) -> list[dict[str, Any]]:
    """What was measured by engine and precision; nothing where a method has no bundle."""
    found = measured()["methods"].get(method, {}).get("engines", [])
    return [] if isinstance(found, str) else found  # a text says why there is none


def costs_of(method: str) -> dict[str, float]:
    """What is known of the costs of one image by the keys of ``COSTS``, and "images_per_second"."""
    ways, costs = ways_of(method), dict(_in_torch(method))
    for engine in ("onnxruntime", "openvino"):
        times = [way["ms"] for way in ways if way["engine"] == engine]
        costs |= {engine: min(times)} if times else {}
    if ways:
        costs["mb"] = min(ways, key=lambda way: way["ms"])["mb"]
    return {key: costs[key] for key in (*COSTS, "images_per_second") if key in costs}


def _in_torch(method: str) -> dict[str, float]:
    """Costs of colour images in torch."""
    found: dict[str, float] = measured()["methods"].get(method, {}).get("torch", {}).get("3", {})
    return found


def milliseconds(method: str) -> float | None:
    """One image on one core by the fastest engine and precision, as its untrained bundle runs."""
    return min((way["ms"] for way in ways_of(method)), default=None)


def starts(rows: Mapping[str, Row]) -> str:
    """What a method starts from: "imagenet" or "none"."""
    return str(next(iter(rows.values())).record.model.get("weights", "none"))


def modalities() -> str:
    """The modalities of the means."""
    return ", ".join(name.replace("-", " ") for name in so_far())
