"""The paper's claims about BMIS and DSU-Net, measured again: costs in one run, IoU from records.

    python benchmarks/claims.py [--records results/comparison]

Costs are measured in the same way for both, at 224 x 224 in float32, training in batches of 6 as
in the paper. IoU is taken from the records of ``bmis compare`` in the folder. Writes
``results/claims_<machine>.json`` and prints the table of ``docs/design-claims.md``.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from machine import describe, short_name

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
NAMES = {
    "parameters": "parameters",
    "macs": "MACs (the paper: FLOPs)",
    "training_mb": "memory in training, batch 6",
    "step_ms": "time of a training step, batch 6",
    "latency_p50_ms": "time of one image",
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


def render(result: dict[str, Any]) -> str:
    lines = ["| | paper | here | BMIS | DSU-Net |", "|---|--:|--:|--:|--:|"]
    for key, paper in PAPER.items():
        ours, theirs = (result["costs"][name][key] for name in ("bmis", "dsu_net"))
        change = 100 * (ours / theirs - 1)
        lines.append(
            f"| {NAMES[key]} | {paper:.2f} % | {change:.2f} % | {ours:,.1f} | {theirs:,.1f} |"
        )
    for gain in result["iou"]:
        low, high = (100 * side for side in gain["ci95"])
        lines.append(
            f"| IoU in points, {gain['dataset']} ({gain['n']} images, {gain['conditions']}) "
            f"| +0.32 | {100 * gain['mean']:+.2f} [{low:+.2f}, {high:+.2f}], "
            f"p {gain['p']:.2g} | | |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=Path, default=HERE / "results" / "comparison")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result = {
        "costs": costs(device),
        "iou": differences(args.records),
        "paper": PAPER,
        "machine": describe(),
    }
    write_json(HERE / "results" / f"claims_{short_name()}.json", result)
    print(render(result))


if __name__ == "__main__":
    main()
