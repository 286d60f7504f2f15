"""Damaged and hostile files by the thousand: each is read, or refused in one line.

    python benchmarks/fuzz.py [--count 20000] [--seed 0] [--numbers N ...] [--clinical [--seeds D]]

Pictures, data sets, bundles with right hashes, checkpoints and records are changed at random and
given to the real commands in processes of their own. Nothing else may happen than an answer or a
refusal in one line: no traceback, no crash, no line of a library, no control character, no lost
result of a good file beside a bad one, never more than 30 seconds of a processor or 2 GiB. The
counts go to ``benchmarks/results/fuzz.json``, with ``--clinical``, where the files are DICOM and
NIfTI, to ``fuzz_clinical.json``; mutants that failed stay in ``.work/fuzz/failed``. A run that is
stopped goes on where it was when it is started again; ``--numbers`` runs some mutants once more.

The DICOM files are those that pydicom, pynetdicom and nibabel bring. ``--seeds`` adds a folder of
more: ``pip download --no-deps pydicom-data`` and ``unzip`` give 68 of every transfer syntax.
"""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuzzing.clinical import SEEDS
from fuzzing.material import make_material
from fuzzing.watch import MOST_MB, MOST_SECONDS, run_mutants
from fuzzing.worker import CLINICAL_FROM, FINE, REFUSED
from machine import describe

from bmis.system.files import output_folder, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=20_000, help="mutants in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--numbers", type=int, nargs="+", help="run these mutants alone")
    parser.add_argument(
        "--clinical", action="store_true", help="DICOM and NIfTI in place of the rest"
    )
    parser.add_argument("--seeds", type=Path, help="folder of more DICOM files, for --clinical")
    parser.add_argument("--work", type=Path, default=ROOT / ".work" / "fuzz")
    args = parser.parse_args()
    work = output_folder(args.work.resolve())
    make_material(output_folder(work / "material"))
    if args.seeds:
        shutil.copytree(args.seeds, work / "material" / SEEDS, dirs_exist_ok=True)
    if args.numbers:
        found = list(run_mutants(args.numbers, args.seed, work))
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    first = CLINICAL_FROM if args.clinical else 0
    found = run(range(first, first + args.count), args.seed, work)
    name = "fuzz_clinical.json" if args.clinical else "fuzz.json"
    write_json(RESULTS / name, summary(found, args.seed))
    bad = [one for one in found if one["outcome"] not in (FINE, REFUSED)]
    print(f"{len(found)} mutants, {len(bad)} failed")
    return 1 if bad else 0


def run(numbers: Sequence[int], seed: int, work: Path) -> list[dict[str, Any]]:
    """Run what was not run before; the outcomes are kept line by line."""
    log = work / f"outcomes-{seed}.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    found = {one["number"]: one for one in map(json.loads, lines)}
    missing = [number for number in numbers if number not in found]
    with log.open("a", encoding="utf-8") as stream:
        for one in run_mutants(missing, seed, work):
            found[one["number"]] = one
            stream.write(json.dumps(one) + "\n")
            stream.flush()
            if one["outcome"] not in (FINE, REFUSED):
                print(one["number"], one["kind"], one["note"], one["outcome"])
    return [found[number] for number in numbers]


def summary(found: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Counts by kind and outcome, and what was needed at most."""
    counts = {
        kind: dict(Counter(one["outcome"] for one in found if one["kind"] == kind))
        for kind in dict.fromkeys(one["kind"] for one in found)
    }
    return {
        "mutants": len(found),
        "seed": seed,
        "limits": {"seconds": MOST_SECONDS, "mb": MOST_MB},
        "counts": counts,
        "most_seconds": max(one["seconds"] for one in found),
        "most_mb": max(one["peak_mb"] for one in found),
        "machine": describe(),
    }


if __name__ == "__main__":
    sys.exit(main())
