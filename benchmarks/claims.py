"""The paper's claims about BMIS and DSU-Net, measured again: costs in one run, IoU from records.

    python benchmarks/claims.py [--records FOLDER]

Costs under the same rules for both, at 224 x 224, float32, training in batches of 6 as the paper
did. IoU is that of a comparison of both (``bmis compare``) whose records are in the folder. Writes
``results/claims_<machine>.json``; ``results_pages.py`` puts the table on the whole field's page.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from machine import describe, short_name
from pages.records import COMPARISON

from bmis import paired_difference, profile_model, read_records
from bmis.system.files import write_json

HERE = Path(__file__).parent
PAPER = {  # percent; "iou" in points
    "parameters": -97.54,
    "macs": -68.49,
    "training_mb": -54.48,
    "step_ms": -58.82,
    "latency_p50_ms": -80.00,
}
BATCH = 6


def costs(device: str) -> dict[str, dict[str, float]]:
    """The costs of both networks, measured one after the other."""
    found = {}
    for name in ("bmis", "dsu_net"):
        profile = profile_model(name, size=224, batches=(1, BATCH), device=device, seconds=3.0)
        one, many = profile.batches
        values = {**asdict(many), **asdict(profile), "latency_p50_ms": one.latency_p50_ms}
        found[name] = {key: float(values[key]) for key in PAPER}
    return found


def differences(folder: Path) -> list[dict[str, Any]]:
    """IoU of BMIS minus that of DSU-Net, image by image, on each data set with both."""
    done = {
        (record.trial.dataset, record.trial.method): record
        for record in read_records(folder)
        if record.status == "done" and record.trial.seed == 0
    }
    found = []
    for dataset in sorted({dataset for dataset, _ in done}):
        pair = [done.get((dataset, method)) for method in ("bmis", "dsu_net")]
        if pair[0] and pair[1]:
            gain = paired_difference(pair[0].values("iou"), pair[1].values("iou"))
            conditions = str(pair[0].conditions)
            found.append({"dataset": dataset, "conditions": conditions, **asdict(gain)})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, default=COMPARISON)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result = {
        "costs": costs(device),
        "iou": differences(args.records),
        "paper": PAPER,
        "machine": describe(),
    }
    write_json(HERE / "results" / f"claims_{short_name()}.json", result)


if __name__ == "__main__":
    main()
