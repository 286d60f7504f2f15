"""What a reader must know beside the numbers: conditions, machines, and what does not compare."""

from collections.abc import Iterable, Iterator

from bmis.data.fingerprint import PARTS
from bmis.metrics import describe_collapse
from bmis.records import Record
from bmis.report.results import DatasetResults, Results, plain
from bmis.wording import counted

_SHOWN = 6  # items of a list in a sentence


def warnings(results: Results) -> list[str]:
    """What does not compare, in whole sentences; empty if all is well.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> results = read_results(write_record(Path("results"), failed).parent)
        >>> warnings(results)[0][:41]
        'Without a result: 1 of 1 trial (1 failed)'
    """
    found = [
        *_incomplete(results),
        *_different_data(results),
        *_collapsed(results),
        *_empty_images(results),
        *_different_costs(results.records),
    ]
    ways = sorted({_way(record) for record in results.records if record.training})
    if len(ways) > 1:
        found.append(
            f"Networks were trained in different ways ({_some(ways)}): their training times do "
            "not compare, and scores may differ for that reason alone."
        )
    found += _different_starts(results.records)
    found += _different_code(results.records)
    if len({dataset.unit for dataset in results.datasets}) > 1:
        found.append("Distances have different units on the data sets; they have no overall mean.")
    return found


def _incomplete(results: Results) -> Iterator[str]:
    failed, missing = results.count("failed"), results.count("missing")
    if failed + missing:
        counts = ((failed, "failed"), (missing, "not run"))
        words = " and ".join(f"{count} {word}" for count, word in counts if count)
        yield (
            f"Without a result: {failed + missing} of {counted(len(results.trials), 'trial')} "
            f"({words}). A method marked † lacks some of its trials: it takes no part in best and "
            "second best, and has no overall value."
        )


def _different_data(results: Results) -> Iterator[str]:
    """Say where trials of one data set did not see the same files, or cannot be known to."""
    for dataset in results.datasets:
        states: dict[str, set[str]] = {}
        for record in dataset.records:
            content = record.data.get("content")
            parts = content if isinstance(content, dict) else {}
            for part in PARTS:
                key = f"{plain(record.trial.fold)} {part}"
                states.setdefault(key, set()).add(plain(parts.get(part)))
        changed = sorted({key.partition(" ")[2] for key, known in states.items()
                          if len(known - {""}) > 1})  # fmt: skip
        if changed:
            yield (
                f"Trials on {dataset.name} saw different {', '.join(changed)}: their scores do not "
                "compare."
            )
        if any("" in known and len(known) > 1 for known in states.values()):
            yield (
                f"Some records of {dataset.name} are of an earlier bmis and do not say what its "
                "images and masks held: whether all trials saw the same is not known."
            )


def _collapsed(results: Results) -> Iterator[str]:
    """Name the networks that answer the same whatever they are shown."""
    for dataset in results.datasets:
        for record in dataset.records:
            if collapse := describe_collapse(record.summary):
                yield (
                    f"{record.trial} {plain(collapse)}. Its means, intervals and tests describe "
                    "the images and not what it has learnt."
                )


def _empty_images(results: Results) -> Iterator[str]:
    """Count the images that score 1 because nothing is there and nothing was found."""
    for dataset in results.datasets:
        empty: dict[str, int] = {}
        for record in dataset.records:
            outcomes = record.summary.get("outcomes")
            count = outcomes.get("correctly_empty") if isinstance(outcomes, dict) else 0
            if isinstance(count, int) and count:
                empty[record.trial.method] = max(count, empty.get(record.trial.method, 0))
        if empty:
            counts = _some(f"{method} {count}" for method, count in empty.items())
            yield (
                f"On {dataset.name} images that show nothing, and where nothing was found, count "
                f"as 1 in the means (correctly empty: {counts} at most in a trial)."
            )


def _different_starts(records: Iterable[Record]) -> Iterator[str]:
    """Say which networks start from ImageNet where others start from random weights."""
    starts: dict[str, set[str]] = {}
    for record in records:
        if record.status == "done":
            start = plain(record.model.get("weights", "none"))
            starts.setdefault(start, set()).add(record.trial.method)
    if len(starts) > 1:
        named = "; ".join(
            f"from {'ImageNet' if start == 'imagenet' else start}: {_some(sorted(methods))}"
            for start, methods in sorted(starts.items())
            if start != "none"
        )
        yield (
            f"Some networks start from trained weights ({named}), the others from random ones: "
            "their difference is not one of the networks alone."
        )


def _different_code(records: Iterable[Record]) -> Iterator[str]:
    made = [record.influences() for record in records if record.status == "done"]
    values: dict[str, set[str]] = {}
    for name in dict.fromkeys(name for one in made for name in one):
        values[name] = {plain(one.get(name, "unknown")) for one in made}
    mixed = [f"{name}: {_some(sorted(found))}" for name, found in values.items() if len(found) > 1]
    if mixed:
        yield (
            f"Trials were done with different code or settings ({'; '.join(mixed)}): scores may "
            "differ for that reason alone."
        )


def _different_costs(records: Iterable[Record]) -> Iterator[str]:
    measured = [record for record in records if record.costs]
    machines = sorted({_machine(record) for record in measured})
    if len(machines) > 1:
        yield (
            f"Costs were measured on {len(machines)} different machines or settings "
            f"({_some(machines)}): times, throughput and memory of different ones do not compare."
        )
    crowded = sorted({r.trial.method for r in measured if r.costs.get("alone") is False})
    if crowded:
        yield (
            "Other work ran beside the measurements of costs of "
            f"{_some(crowded)}: their times are too long by an unknown amount."
        )
    batches = sorted({str(record.costs.get("batch")) for record in measured})
    if len(batches) > 1:
        yield (
            f"Throughput and training memory were measured at different batch sizes "
            f"({_some(map(plain, batches))}) and do not compare."
        )


def facts(results: Results) -> list[tuple[str, str]]:
    """Conditions, data, machines and versions, as names and values.

    Example:
        >>> from pathlib import Path
        >>> from bmis.records import Conditions, Trial, write_record
        >>> from bmis.report.results import read_results
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", "out of memory")
        >>> facts(read_results(write_record(Path("results"), failed).parent))[0]
        ('Conditions', 'recipe default, 60 epochs, 224x224, squash')
    """
    records = results.records
    days = sorted(plain(record.created)[:10] for record in records if record.created)
    rows = [
        ("Conditions", plain(records[0].conditions)),
        *((f"Data set {dataset.name}", _about_data(dataset)) for dataset in results.datasets),
        ("Costs measured on", _listed(_machine(record) for record in records if record.costs)),
        ("Trained on", _listed(plain(record.environment.get("system")) for record in records)),
        ("Versions", _listed(_versions(record) for record in records)),
        ("Records from", " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _about_data(dataset: DatasetResults) -> str:
    """Numbers of images, folds and seeds, and the classes."""
    folds = list(dataset.trials["fold"].unique())
    seeds = ", ".join(str(seed) for seed in dataset.trials["seed"].unique())
    split = "own split" if folds == [""] else counted(len(folds), "fold")
    words = [counted(dataset.images, "test image"), split, f"seeds {seeds}"]
    if dataset.records:
        data = dataset.records[0].data
        words.insert(0, counted(plain(data.get("train")), "training image"))
        classes = data.get("classes")
        if isinstance(classes, list | tuple):
            words.append(f"classes {', '.join(map(plain, classes))}")
        if data.get("fields_of_view"):  # old records have no such entry
            words.append(f"{plain(data['fields_of_view'])} counted inside their field of view")
    return ", ".join(words)


def _machine(record: Record) -> str:
    costs = record.costs
    parts = [plain(costs.get("device_name")) or "unknown device"]
    if costs.get("device") != "cuda" and costs.get("threads") is not None:
        parts.append(counted(plain(costs["threads"]), "thread"))
    if costs.get("precision") is not None:
        parts.append(plain(costs["precision"]))
    return ", ".join(parts)


def _way(record: Record) -> str:
    training = record.training
    return f"{plain(training.get('precision'))} in batches of {plain(training.get('batch_size'))}"


def _versions(record: Record) -> str:
    known = record.environment.items()
    return ", ".join(
        f"{plain(key)} {plain(value)}" for key, value in known if key not in ("system", "threads")
    )


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _some(texts: Iterable[str]) -> str:
    every = list(texts)
    rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + rest
