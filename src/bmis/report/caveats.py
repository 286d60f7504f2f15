"""What a reader must know beside the numbers: conditions, machines, and what does not compare."""

from collections import Counter
from collections.abc import Iterable

from bmis.records import Record
from bmis.report.results import Field, plain

_SHOWN = 6  # of a list in a note


def warnings(field: Field) -> list[str]:
    """What does not compare, in whole sentences; empty if all is well."""
    found = []
    lacks = field.lacks
    if lacks:
        failed = sum(lack.reason is not None for lack in lacks)
        trials = sum(e.trials for panel in field.panels for e in panel.entries.values())
        counts = ((failed, "failed"), (len(lacks) - failed, "not run"))
        told = " and ".join(f"{count} {word}" for count, word in counts if count)
        found.append(
            f"{len(lacks)} of {trials} trials have no result: {told}. A method "
            "marked † lacks some of its trials: it takes no part in best and second best, and has "
            "no overall value."
        )
    measured = [record for record in field.records if record.costs]
    machines = sorted({_machine(record) for record in measured})
    if len(machines) > 1:
        found.append(
            f"Costs were measured on {len(machines)} different machines or settings "
            f"({_some(machines)}): times, throughput and memory of different ones do not compare."
        )
    crowded = sorted({r.trial.method for r in measured if r.costs.get("alone") is False})
    if crowded:
        found.append(
            "Other work ran beside the measurements of costs of "
            f"{_some(crowded)}: their times are too long by an unknown amount."
        )
    batches = sorted({str(r.costs.get("batch")) for r in measured})
    if len(batches) > 1:
        found.append(
            f"Throughput and training memory were measured at different batch sizes "
            f"({_some(map(plain, batches))}) and do not compare."
        )
    ways = sorted({_way(record) for record in field.records if record.training})
    if len(ways) > 1:
        found.append(
            f"Networks were trained in different ways ({_some(ways)}): their training times do "
            "not compare, and scores may differ for that reason alone."
        )
    units = {panel.unit for panel in field.panels}
    if len(units) > 1:
        found.append("Distances have different units on the data sets; they have no overall mean.")
    return found


def facts(field: Field) -> list[tuple[str, str]]:
    """Conditions, data, machines and versions, as names and values."""
    records = field.records
    rows = [("Conditions", plain(records[0].conditions))]
    for panel in field.panels:
        done = [record for entry in panel.entries.values() for record in entry.records]
        folds = "own split" if panel.folds == (None,) else f"{len(panel.folds)} folds"
        seeds = ", ".join(map(str, panel.seeds))
        counts = [f"{panel.images} test images", folds, f"seeds {seeds}"]
        if done:
            told = done[0].data
            counts.insert(0, f"{plain(told.get('train'))} training images")
            classes = told.get("classes")
            if isinstance(classes, list | tuple):
                counts.append(f"classes {', '.join(map(plain, classes))}")
            if told.get("fields_of_view"):  # records of before there were any have no such entry
                counts.append(f"{plain(told['fields_of_view'])} counted inside their field of view")
        rows.append((f"Data set {panel.name}", ", ".join(counts)))
    rows.append(("Costs measured on", _listed(_machine(r) for r in records if r.costs)))
    rows.append(("Trained on", _listed(_host(r) for r in records if r.environment)))
    versions = Counter(_versions(record) for record in records if record.environment)
    rows.append(("Versions", "; ".join(versions)))
    made = sorted(plain(record.created)[:10] for record in records if record.created)
    if made:
        rows.append(
            ("Records from", made[0] if made[0] == made[-1] else f"{made[0]} to {made[-1]}")
        )
    return [(name, value) for name, value in rows if value]


def _machine(record: Record) -> str:
    costs = record.costs
    parts = [plain(costs.get("device_name")) or "unknown device"]
    if costs.get("device") != "cuda" and costs.get("threads") is not None:
        parts.append(f"{plain(costs['threads'])} threads")
    if costs.get("precision") is not None:
        parts.append(plain(costs["precision"]))
    return ", ".join(parts)


def _way(record: Record) -> str:
    told = record.training
    return f"{plain(told.get('precision'))} in batches of {plain(told.get('batch_size'))}"


def _host(record: Record) -> str:
    return plain(record.environment.get("system"))


def _versions(record: Record) -> str:
    skip = ("system", "threads")
    told = record.environment
    return ", ".join(f"{plain(key)} {plain(told[key])}" for key in told if key not in skip)


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _some(texts: Iterable[str]) -> str:
    every = list(texts)
    rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + rest
