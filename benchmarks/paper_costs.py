"""What the methods of the paper's table cost on one core, on a machine that does nothing else.

    OMP_NUM_THREADS=1 python benchmarks/paper_costs.py DATA [--size 128 --passes 9000]

Measures each method that has records of ``paper_table.py``: parameters, MACs, memory and time in
torch, for colour and for grey images; time by each engine and size of its bundle for colour ones.
Writes ``costs.json`` beside the records, goes on from there when it is stopped, and completes the
records with what was measured in torch.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from five_modalities import MODALITIES, command_line, described
from machine import describe
from pages.records import PAPER_TABLE

from bmis import Record, open_dataset, read_records
from bmis.compare.costs import measure_costs
from bmis.compare.methods import find_methods
from bmis.compare.spec import TrialSpec
from bmis.data.cases import Dataset
from bmis.errors import BmisError
from bmis.fit.candidates import Candidate
from bmis.fit.untrained import measure_untrained
from bmis.records import write_record
from bmis.system.files import write_json

SECONDS = 1.0  # of each timing at least


def in_torch(record: Record, dataset: Dataset) -> dict[str, Any]:
    """The ``costs`` of a record, measured here and now."""
    spec = TrialSpec(
        record.trial,
        record.conditions,
        str(dataset.root),
        record.model["name"],
        record.model["options"],
        work=Path(),
    )
    return measure_costs(spec, dataset, seconds=SECONDS)


def on_engines(method: str, size: int) -> list[dict[str, Any]] | str:
    """Milliseconds and megabytes by engine and precision, or why the network has no bundle."""
    (variant,) = find_methods([method])
    candidate = Candidate(variant.name, variant.options, (size, size))
    try:
        ways = measure_untrained(candidate, channels=3, classes=2, seconds=SECONDS)
    except BmisError as error:
        return str(error)
    return [asdict(way) for way in ways]


def main() -> None:
    parser = command_line(__doc__)
    parser.set_defaults(runs=Path("runs/paper_table"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--passes", type=int, default=9000)
    args = parser.parse_args()
    folder = PAPER_TABLE / f"{args.size}x{args.passes}"
    file = folder / "costs.json"
    known: dict[str, Any] = {}
    if file.exists():
        known = json.loads(file.read_text(encoding="utf-8"))["methods"]
    for name in (name for name in MODALITIES if (folder / name).is_dir()):
        dataset = open_dataset(described(name, args.data, args.runs))
        for record in read_records(folder / name):
            method, channels = record.trial.method, str(dataset.channels)
            if record.status != "done":
                continue
            costs = known.setdefault(method, {"torch": {}})
            if channels not in costs["torch"]:
                costs["torch"][channels] = in_torch(record, dataset)
            if "engines" not in costs:
                costs["engines"] = on_engines(method, args.size)
                print(method, costs["engines"], flush=True)
            write_json(file, {"machine": describe(), "methods": known})
            write_record(folder / name, replace(record, costs=costs["torch"][channels]))


if __name__ == "__main__":
    main()
