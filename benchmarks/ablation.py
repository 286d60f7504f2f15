"""The design of BMIS taken apart: each choice undone alone, under the same recipe.

    python benchmarks/ablation.py DATA... --epochs N --size 96 [--seeds S]

Runs a comparison of the variants below (resumable, records in ``results/ablation/``), compares
each with BMIS image by image (IoU, Wilcoxon, Holm's correction over the variants of a data set)
and prints the table of ``docs/design-claims.md``.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from bmis import CompareConfig, Conditions, Record, compare_methods, paired_difference

RESULTS = Path(__file__).parent / "results" / "ablation"
VARIANTS = {
    "as published": "bmis",
    "skip connections (added)": "bmis:skip_connections=true",
    "square convolutions": "bmis:asymmetric=false",
    "square convolutions, fewer blocks (equal parameters)": "bmis:asymmetric=false,depths=[3,3]",
    "no dilation": "bmis:dilations=[1]",
    "no ECA": "bmis:eca=false",
    "no attention": "bmis:attention=false",
    "no decoder blocks": "bmis:decoder_depth=0",
    "three decoder blocks for one": "bmis:decoder_depth=3",
    "deeper, narrower (equal parameters)": "bmis:widths=[16,48,72],depths=[9,8]",
    "shallower, wider (equal parameters)": "bmis:widths=[16,80,128],depths=[2,2]",
}


def case_means(records: list[Record]) -> dict[str, float]:
    """IoU of each image, mean over the seeds."""
    values = defaultdict(list)
    for record in records:
        for case, value in record.values("iou").items():
            if value is not None:
                values[case].append(value)
    return {case: sum(found) / len(found) for case, found in values.items()}


def holm(p_values: list[float]) -> list[float]:
    """Adjusted for having tested them all (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def render(records: list[Record]) -> str:
    lines = [
        "| data | variant | parameters | GMACs | IoU | minus published [95 %] | p (Holm) |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    cells = defaultdict(list)
    for record in records:
        cells[record.cell.dataset, record.cell.method].append(record)
    for dataset in sorted({dataset for dataset, _ in cells}):
        groups = [found for (name, _), found in cells.items() if name == dataset]
        values = [case_means(group) for group in groups]
        gains = [paired_difference(value, values[0]) for value in values[1:]]
        adjusted = holm([gain.p for gain in gains])
        for number, (name, group) in enumerate(zip(VARIANTS, groups, strict=True)):
            costs = group[0].costs
            iou = sum(values[number].values()) / len(values[number])
            verdict = "| |"
            if number:
                gain = gains[number - 1]
                low, high = gain.ci95 or (float("nan"),) * 2
                verdict = (
                    f"| {gain.mean:+.3f} [{low:+.3f}, {high:+.3f}] | {adjusted[number - 1]:.2g}"
                )
            lines.append(
                f"| {dataset} | {name} | {costs['parameters']:,} | {costs['macs'] / 1e9:.3f} "
                f"| {iou:.3f} {verdict} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    config = CompareConfig(
        data=tuple(args.data),
        methods=tuple(VARIANTS.values()),
        seeds=args.seeds,
        conditions=Conditions("default", args.epochs, (args.size, args.size)),
    )
    done = compare_methods(config, out=RESULTS)
    for record in done.failed:
        raise SystemExit(f"{record.cell}: {record.reason}")
    print(render(list(done.records)))


if __name__ == "__main__":
    main()
