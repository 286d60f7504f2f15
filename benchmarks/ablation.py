"""Ablations of the design of BMIS: one choice undone at a time, under the same recipe.

    python benchmarks/ablation.py DATA... --epochs N --size 96 [--seeds S]

Runs a comparison of the variants in ``pages/design.py``, resumable, with its records in
``results/ablation/``. ``results_pages.py`` compares each with BMIS image by image (IoU, Wilcoxon,
Holm's correction over the variants of a data set) on the page ``docs/results/accuracy.md``.
"""

import argparse

from pages.design import VARIANTS
from pages.records import DESIGN

from bmis import CompareConfig, Conditions, compare_methods


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    config = CompareConfig(
        data=tuple(args.data),
        methods=tuple(VARIANTS),
        seeds=args.seeds,
        conditions=Conditions("default", args.epochs, (args.size, args.size)),
    )
    done = compare_methods(config, out=DESIGN)
    for record in done.failed:
        raise SystemExit(f"{record.trial}: {record.reason}")


if __name__ == "__main__":
    main()
