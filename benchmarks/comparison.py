"""The table of networks in the documentation, from the records of a comparison.

    bmis compare data/kvasir data/busi --methods ... --size 96 --epochs 6 --out results/comparison
    python benchmarks/comparison.py [RECORDS]

Scores are means over the test images of one seed, sorted by the IoU on the first data set.
"""

import argparse
from pathlib import Path

from bmis import Record, read_records

FOLDER = Path(__file__).parent / "results" / "comparison"
DATASETS = {"kvasir": "Kvasir-SEG", "busi": "BUSI"}


def scores(record: Record | None) -> str:
    if record is None:
        return "missing | missing"
    iou, dice = (record.summary["cases"][name] for name in ("iou", "dice"))
    low, high = iou["ci95"]
    return f"{iou['mean']:.3f} [{low:.3f}, {high:.3f}] | {dice['mean']:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("records", nargs="?", type=Path, default=FOLDER)
    done = {
        (record.trial.dataset, record.trial.method): record
        for record in read_records(parser.parse_args().records)
        if record.status == "done" and record.trial.seed == 0
    }
    heads = "".join(f" {name} IoU [95 %] | Dice |" for name in DATASETS.values())
    print(f"| method | parameters | GMACs | one image, ms |{heads}")
    print("|---|" + "--:|" * (3 + 2 * len(DATASETS)))
    first = next(iter(DATASETS))
    ranked = [record for (dataset, _), record in done.items() if dataset == first]
    for record in sorted(ranked, key=lambda r: -r.summary["cases"]["iou"]["mean"]):
        costs, method = record.costs, record.trial.method
        columns = " | ".join(scores(done.get((dataset, method))) for dataset in DATASETS)
        print(
            f"| `{method}` | {costs['parameters']:,} | {costs['macs'] / 1e9:.3f} "
            f"| {costs['latency_p50_ms']:.1f} | {columns} |"
        )


if __name__ == "__main__":
    main()
