"""Invented records, drawn from a seed: what a comparison of a few methods leaves behind."""

import random
from pathlib import Path
from typing import Any

from bmis.metrics import METRICS, CaseScore, summarise_cases
from bmis.records import Conditions, Record, Trial, write_record

CONDITIONS = Conditions(recipe="fast", epochs=3, size=(64, 64))
# quality, parameters, MACs, milliseconds: no order is the same as another
METHODS = {
    "bmis": (0.80, 874_951, 1_557_000_000, 19.0),
    "unet": (0.82, 34_527_041, 50_000_000_000, 400.0),
    "mk_unet": (0.78, 315_566, 213_000_000, 12.0),
    "lv_unet": (0.70, 934_545, 134_000_000, 6.0),
}


def make_record(
    method: str = "bmis",
    dataset: str = "polyps",
    *,
    fold: int | None = None,
    seed: int = 0,
    images: int = 12,
    **changes: Any,
) -> Record:
    """A record of a trial that is done; ``changes`` replace whole attributes."""
    quality, parameters, macs, milliseconds = METHODS.get(method, (0.6, 1_000_000, 10**9, 10.0))
    rng = random.Random(f"{method} {dataset} {fold} {seed}")
    hard = random.Random(f"{dataset} {fold}")  # an image is hard for all methods
    rows = []
    for _ in range(images):
        iou = min(1.0, max(0.0, quality + hard.gauss(0, 0.08) + rng.gauss(0, 0.03)))
        rows.append(dict.fromkeys(METRICS, iou) | {"hd95": 20 * (1 - iou), "assd": 5 * (1 - iou)})
    cases = [CaseScore({1: row}, {1: "present"}, row, "present") for row in rows]
    values: dict[str, Any] = {
        "trial": Trial(dataset, method, fold, seed),
        "conditions": CONDITIONS,
        "status": "done",
        "data": {
            "path": f"/nowhere/{dataset}",
            "fingerprint": f"{dataset}-{fold}",
            "train": 40,
            "val": 8,
            "test": images,
            "classes": ["background", "polyp"],
            "unit": "px",
        },
        "model": {
            "name": method,
            "options": {},
            "family": method,
            "group": "light",
            "source": "arXiv:0000.00000",
            "licence": "MIT",
        },
        "training": {
            "batch_size": 8,
            "best_epoch": 3,
            "seconds": milliseconds,
            "seconds_per_epoch": milliseconds / 4,
            "precision": "bf16-mixed",
            "log": [
                {"epoch": e, "loss": 1 / e, "val_iou": quality * e / 3, "val_dice": quality * e / 3}
                for e in (1, 2, 3)
            ],
        },
        "costs": {
            "parameters": parameters,
            "macs": macs,
            "weights_mb": parameters * 4e-6,
            "training_mb": parameters * 1e-5 + 100,
            "inference_mb": parameters * 5e-6 + 10,
            "latency_p50_ms": milliseconds,
            "latency_p95_ms": milliseconds * 1.1,
            "images_per_second": 1000 / milliseconds,
            "step_ms": 10 * milliseconds,
            "batch": 8,
            "device": "cpu",
            "device_name": "a processor",
            "threads": 2,
            "precision": "float32",
            "alone": True,
        },
        "summary": summarise_cases(cases, ["background", "polyp"]),
        "cases": {
            "id": [f"case{i:02d}" for i in range(images)],
            **{name: [row[name] for row in rows] for name in METRICS},
        },
        "environment": {"device": "cpu", "torch": "2.6.0"},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(**{**values, **changes})


def write_comparison(
    folder: Path, *, datasets: tuple[str, ...] = ("polyps", "lesions"), seeds: int = 2
) -> Path:
    """All methods on all data sets, one trial failed and one missing."""
    for dataset in datasets:
        for method in METHODS:
            for seed in range(seeds):
                write_record(folder, make_record(method, dataset, seed=seed))
    if seeds > 1:
        failed = Trial(datasets[0], "unet", None, 1)
        write_record(folder, Record(failed, CONDITIONS, "failed", "out of memory"))
        (folder / datasets[-1] / "lv_unet-seed1.json").unlink()
    return folder
