"""Ablations of the design of BMIS: one choice undone at a time, under the same recipe.

    python benchmarks/ablation.py DATA... --epochs N --size 96 [--seeds S]
    python benchmarks/ablation.py            # the table of what has been run so far

Runs a comparison of the variants below with its records in ``results/ablation/``; it goes on from
there when it is stopped. Compares each variant with BMIS image by image (IoU, Wilcoxon, Holm's
correction over the variants of a data set) and prints the table of ``docs/design-claims.md``.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from bmis import (
    CompareConfig,
    Conditions,
    Record,
    compare_methods,
    paired_difference,
    read_records,
)
from bmis.compare.methods import find_methods
from bmis.report.statistics import holm

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
    """The IoU of each image, mean over the seeds."""
    values = defaultdict(list)
    for record in records:
        for case, value in record.values("iou").items():
            if value is not None:
                values[case].append(value)
    return {case: sum(found) / len(found) for case, found in values.items()}


def render(records: list[Record]) -> str:
    lines = [
        "| data | variant | parameters | GMACs | IoU | minus published [95 %] | p (Holm) |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    trials = defaultdict(list)
    for record in records:
        trials[record.trial.dataset, record.trial.method].append(record)
    texts = [variant.text for variant in find_methods(VARIANTS.values())]
    for dataset in sorted({dataset for dataset, _ in trials}):
        names = dict(zip(texts, VARIANTS, strict=True))
        groups = {text: trials[dataset, text] for text in texts if (dataset, text) in trials}
        values = {text: case_means(group) for text, group in groups.items()}
        others = [text for text in groups if text != "bmis"]
        gains = {text: paired_difference(values[text], values["bmis"]) for text in others}
        adjusted = dict(zip(others, holm([gains[text].p for text in others]), strict=True))
        for text in texts:
            if text not in groups:
                lines.append(f"| {dataset} | {names[text]} | | | missing | | |")
                continue
            costs = groups[text][0].costs
            iou = sum(values[text].values()) / len(values[text])
            difference = "| |"
            if text in gains:
                gain = gains[text]
                low, high = gain.ci95 or (float("nan"),) * 2
                interval = f"[{low:+.3f}, {high:+.3f}]"
                difference = f"| {gain.mean:+.3f} {interval} | {adjusted[text]:.2g}"
            lines.append(
                f"| {dataset} | {names[text]} | {costs['parameters']:,} "
                f"| {costs['macs'] / 1e9:.3f} | {iou:.3f} {difference} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="*")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    if not args.data:
        print(render([record for record in read_records(RESULTS) if record.status == "done"]))
        return
    config = CompareConfig(
        data=tuple(args.data),
        methods=tuple(VARIANTS.values()),
        seeds=args.seeds,
        conditions=Conditions("default", args.epochs, (args.size, args.size)),
    )
    done = compare_methods(config, out=RESULTS)
    for record in done.failed:
        raise SystemExit(f"{record.trial}: {record.reason}")
    print(render(list(done.records)))


if __name__ == "__main__":
    main()
