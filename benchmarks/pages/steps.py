"""The table in ``docs/how-to/train.md``: what each step towards a better network brings."""

import json
from typing import Any

from training_ablations import EDGE

from bmis import paired_difference
from pages.layout import difference, machine, p_value, table
from pages.records import DATASETS, TRAINING_ABLATIONS, read


def steps() -> str:
    """The table, and where its figures are from."""
    found = json.loads((TRAINING_ABLATIONS / "kvasir.json").read_text(encoding="utf-8"))
    values, after = found["values"], read("after_training")
    more = after["values"]
    start, trained = values["untrained trunk"]["0"], values[EDGE]["0"]
    rows = [
        ["`--model bmis_edge -o weights=none`", mean(start), ""],
        ["`--model bmis_edge`", mean(trained), gain(trained, start)],
        [
            "`-o context=dilated`",
            mean(values["dilated blocks at 1/16"]["0"]),
            gain(values["dilated blocks at 1/16"]["0"], trained),
        ],
        ["`--flips both`", mean(more["flips"]), gain(more["flips"], more["as trained"])],
    ]
    heads = ["step", ">validation IoU", ">gain [95 %]"]
    machines = {machine(found["machines"][EDGE]["0"]), machine(after["machine"])}
    return (
        f"{table(heads, rows)}\n\n{DATASETS['kvasir']}, 224 x 224, 20 epochs, one seed, "
        f"{len(trained)} validation images. The third is compared with the second; the last "
        f"with another seed of it, {mean(more['as trained'])}. "
        f"Scripts: `benchmarks/training_ablations.py`, `benchmarks/after_training.py`. "
        f"Machine: {'; '.join(sorted(machines))}."
    )


def mean(values: dict[str, Any]) -> str:
    """Mean IoU."""
    return f"{sum(values.values()) / len(values):.3f}"


def gain(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Paired difference with its interval and p."""
    found = paired_difference(ours, theirs)
    return f"{difference(found.mean, found.ci95)}, p {p_value(found.p, agrees=found.agrees)}"
