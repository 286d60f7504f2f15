"""What export loses: the gate's figures for trained networks, in float and int8.

    python benchmarks/export.py RUN... [--out FOLDER]

Each run is exported with ``--int8 --keep-float --formats onnx,openvino`` and once more with
``--int8`` alone, for its size. Prints a table, and the share of the gate's allowance that each try
of int8 used on validation images; writes ``results/export_<data>.json``; bundles stay in FOLDER.
"""

import argparse
from pathlib import Path

from machine import describe

from bmis import ExportOptions, export_run
from bmis.system.files import output_folder, write_json

RESULTS = Path(__file__).parent / "results"
ALL = ExportOptions(int8=True, keep_float=True, formats=("onnx", "openvino"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    print("| data | graph | IoU | Dice | agreement | logits off by | torch IoU |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for run in args.runs:
        folder = output_folder(args.out)
        found = export_run(run, folder / f"{run.name}.bmis", ALL)
        small = export_run(run, folder / f"{run.name}-int8.bmis", ExportOptions(int8=True))
        data = found.manifest.quality["data"]
        for graph in found.manifest.graphs:
            check = graph.check
            scores = " | ".join(f"{check[name]:.4f}" for name in ("iou", "dice", "agreement"))
            print(
                f"| {data} | {graph.file} | {scores} | {check['logits_error']:.1e} "
                f"| {check['iou_torch']:.4f} |"
            )
        for count, used in found.tries:
            print(f"{data}: {count} parts in float use {used:.2f} of the gate's allowance")
        print(
            f"{data}: kept in float: {len(found.kept)} of {len(found.sensitivity)}: "
            f"{', '.join(found.kept)}"
        )
        print(f"{data}: with int8 alone {small.bytes / 1e6:.2f} MB", flush=True)
        plain = [{**one.to_dict(), "path": one.path.name} for one in (found, small)]
        write_json(RESULTS / f"export_{data}.json", {"exports": plain, "machine": describe()})


if __name__ == "__main__":
    main()
