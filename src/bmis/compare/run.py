"""The command ``compare``: many networks on many data sets, a record for each trial."""

import logging
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from bmis.compare.cluster import run_on_cluster
from bmis.compare.costs import measure_costs
from bmis.compare.methods import Variant, check_plugins, find_methods
from bmis.compare.settings import CompareConfig
from bmis.compare.spec import SPLIT_SEED, TrialSpec
from bmis.compare.trial import run_trial
from bmis.data.fingerprint import changed_parts, content_fingerprints, split_fingerprint
from bmis.data.folder import find_cases, open_dataset
from bmis.data.split_checks import warn_of_splits
from bmis.errors import ConfigError, DataError, printable
from bmis.importing.suggest import warn_of_masks
from bmis.metrics import describe_collapse
from bmis.models.plugins import load_plugins
from bmis.records import Conditions, Record, Trial, read_records, record_path, write_record
from bmis.system.environment import changes, influences
from bmis.system.files import output_folder
from bmis.system.progress import progress_bar, track
from bmis.train.recipes import find_recipe
from bmis.train.run_folder import environment
from bmis.wording import counted, time_left

_log = logging.getLogger("bmis")
_WORK = ".work"  # run folders of trials that are not done yet


@dataclass(frozen=True)
class Comparison:
    """What ``compare_methods`` leaves behind.

    Attributes:
        out: The results folder.
        records: Records of all trials that were asked for, run now or before.
        ran: How many of them this call ran.

    Example:
        >>> Comparison(Path("results"), records=(), ran=0).failed
        ()
    """

    out: Path
    records: tuple[Record, ...]
    ran: int

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of the trials that failed."""
        return tuple(record for record in self.records if record.status == "failed")


def compare_methods(
    config: CompareConfig,
    *,
    out: Path | str,
    retry: bool = False,
    ray: str | None = None,
    keep: Path | str | None = None,
    measure_again: bool = False,
) -> Comparison:
    """Train, score and measure every method on every data set, fold and seed.

    A record for each trial is all that is written to ``out``. Trials whose record is there are not
    run again, so the call may be stopped at any moment and repeated, with more of everything.

    Args:
        config: Data sets, methods, folds, seeds and conditions.
        out: Results folder.
        retry: Run trials that failed once more.
        ray: None to run trials one after another; else an address, see ``run_on_cluster``.
        keep: Folder in which the run folders of the trials are kept; None to delete them.
        measure_again: Measure the costs of the trials that are done once more, here and now. This
            is for trials that were run beside other work, or on another machine than the rest.

    Raises:
        ConfigError: A setting is wrong, or ``out`` holds records under other conditions.
        DataError: A data set cannot be used, a record is damaged, or ``out`` cannot be written to.
        MissingExtraError: A library is not installed that a method or Ray needs.
        TrainingInterrupted: Ctrl-C; the same call goes on from there.

    Example:
        >>> conditions = Conditions("fast", epochs=1, size=(32, 32))
        >>> config = CompareConfig(("polyps",), ("unet:widths=[4,8]",), conditions=conditions)
        >>> done = compare_methods(config, out="results")
        >>> [(record.trial.method, record.status) for record in done.records]
        [('unet:widths=[4,8]', 'done')]
    """
    load_plugins(config.plugins)
    check_plugins(Path(out), config.methods)
    variants = find_methods(config.methods)
    folder = output_folder(Path(out))
    splits = _find_splits(config)
    known = _read_known(folder, config.conditions, splits)
    runs = folder / _WORK if keep is None else Path(keep)
    specs = [
        replace(_make_spec(config, variant, split, seed, runs), keep=keep is not None)
        # all methods first, then more seeds: if it is stopped early, it is still a comparison
        for seed, split, variant in product(range(config.seeds), splits, variants)
    ]
    todo = [
        spec
        for spec in specs
        if spec.trial not in known or (retry and known[spec.trial].status == "failed")
    ]
    if todo:
        _say_other_code(folder, known.values(), config.conditions)
    if measure_again:
        _measure_again([spec for spec in specs if spec not in todo], known, folder)
    _log.info("%s, %d to run", counted(len(specs), "trial"), len(todo))
    begin = time.monotonic()
    for number, record in enumerate(_run(todo, ray), start=1):
        write_record(folder, record)
        known[record.trial] = record
        times = time_left(time.monotonic() - begin, number, len(todo))
        done = f"{number} of {counted(len(todo), 'trial')}, {times}"
        _log.info("%s: %s (%s)", record.trial, describe(record), done)
    if keep is None:
        shutil.rmtree(runs, ignore_errors=True)
    return Comparison(folder, tuple(known[spec.trial] for spec in specs), len(todo))


def _say_other_code(folder: Path, records: Iterable[Record], conditions: Conditions) -> None:
    """Warn if trials that are done were trained with other code or settings than the next."""
    now = influences(environment(), find_recipe(conditions.recipe).to_dict())
    done = [changes(record.influences(), now) for record in records if record.status == "done"]
    for other, count in Counter(filter(None, done)).items():
        warnings.warn(
            f"{folder}: other code or settings in {count} of {counted(len(done), 'trial')} "
            f"({other}); scores may differ for that reason alone, use another --out to be sure",
            stacklevel=3,
        )


def _measure_again(specs: Sequence[TrialSpec], known: dict[Trial, Record], folder: Path) -> None:
    """Replace the costs of the trials that are done, in ``known`` and in the folder."""
    for spec in track(specs, "measuring costs"):
        if known[spec.trial].status == "done":
            dataset = open_dataset(spec.data, fold=spec.trial.fold, seed=SPLIT_SEED)
            record = replace(known[spec.trial], costs=measure_costs(spec, dataset))
            write_record(folder, record)
            known[spec.trial] = record


def describe(record: Record) -> str:
    """The result of a trial in a few words.

    Example:
        >>> describe(Record(Trial("polyps", "bmis"), Conditions(), "failed", "out of memory"))
        'failed: out of memory'
    """
    if record.status == "failed":
        return f"failed: {record.reason}"
    means = (record.summary["cases"][metric]["mean"] for metric in ("iou", "dice"))
    iou, dice = ("-" if mean is None else f"{mean:.3f}" for mean in means)
    done = f"IoU {iou}, Dice {dice}, trained in {record.training['seconds']:.0f} s"
    collapse = describe_collapse(record.summary)
    return f"{done}, {collapse}" if collapse else done


@dataclass(frozen=True)
class _Split:
    """One way to divide one data set."""

    dataset: str
    path: str
    fold: int | str | None
    fingerprint: str
    content: dict[str, str]


def _make_spec(
    config: CompareConfig, variant: Variant, split: _Split, seed: int, runs: Path
) -> TrialSpec:
    trial = Trial(split.dataset, variant.text, split.fold, seed)
    return TrialSpec(
        trial=trial,
        conditions=config.conditions,
        data=split.path,
        model=variant.name,
        options=variant.options,
        work=record_path(runs, trial).with_suffix(""),
        device=config.device,
        precision=config.precision,
        plugins=config.plugins,
    )


def _find_splits(config: CompareConfig) -> list[_Split]:
    """The splits of all data sets, checked before anything is trained."""
    folds = range(1, config.folds + 1) if config.folds else (None,)
    found: list[_Split] = []
    for path in config.data:
        warn_of_masks(Path(path))
        dataset = open_dataset(path, fold=folds[0], seed=SPLIT_SEED)
        name = dataset.name
        if any(split.dataset == name for split in found):
            raise ConfigError(
                f"{path}: a data set named {name!r} is there already; give it another name in its "
                "dataset.yaml"
            )
        for fold in folds:
            cases = find_cases(Path(path), fold=fold, seed=SPLIT_SEED).cases
            missing = {"train", "val", "test"} - {case.split for case in cases}
            if missing:
                raise DataError(
                    f"{path}: has no {' and no '.join(sorted(missing))} images; a comparison needs "
                    "train, val and test: name them in splits.csv, or use --folds 5"
                )
            divided = replace(dataset, cases=cases)
            warn_of_splits(divided)
            content = content_fingerprints(divided)
            found.append(_Split(name, path, fold, split_fingerprint(cases), content))
    return found


def _read_known(
    folder: Path, conditions: Conditions, splits: Sequence[_Split]
) -> dict[Trial, Record]:
    """The records that are in the folder, if they belong to this comparison."""
    known = {record.trial: record for record in read_records(folder)}
    now = {(split.dataset, split.fold): split for split in splits}
    for trial, record in known.items():
        if record.conditions != conditions:
            raise ConfigError(
                f"{folder}: holds records of {record.conditions}, now {conditions}; "
                "choose another --out"
            )
        split = now.get((trial.dataset, trial.fold))
        if record.status == "done" and split:
            _check_same_data(record_path(folder, trial), record, split)
    _warn_of_unknown_content(folder, known.values(), now)
    return known


def _check_same_data(path: Path, record: Record, split: _Split) -> None:
    """Refuse to go on beside a record of other images, masks or splits."""
    if changed := changed_parts(record.data.get("content"), split.content):
        raise DataError(
            f"{path}: {split.path} has changed since: other {', '.join(changed)}; "
            "restore the data set, or choose another --out"
        )
    if record.data.get("fingerprint") != split.fingerprint:
        raise DataError(
            f"{path}: {split.dataset} was divided otherwise then, or had other images or fields of "
            "view; choose another --out"
        )


def _warn_of_unknown_content(
    folder: Path, records: Iterable[Record], now: Mapping[tuple[str, Any], _Split]
) -> None:
    """Say that records of an earlier bmis do not tell what their files held."""
    unknown = {
        record.trial.dataset
        for record in records
        if record.status == "done"
        and (record.trial.dataset, record.trial.fold) in now
        and not record.data.get("content")
    }
    if unknown:
        _log.warning(
            "%s: holds records of an earlier bmis that do not say what the images and masks of %s "
            "held; that they are the same now cannot be checked",
            folder,
            ", ".join(sorted(unknown)),
        )


def _run(specs: Sequence[TrialSpec], ray: str | None) -> Iterator[Record]:
    """The records of the trials, each as soon as it is there, behind a progress bar."""
    with progress_bar("trials", total=len(specs)) as bar:
        records = run_on_cluster(specs, ray) if ray and specs else _one_by_one(specs)
        for record in records:
            yield record
            bar.update()
            bar.set_description(printable(f"trials  last: {record.trial}"))


def _one_by_one(specs: Sequence[TrialSpec]) -> Iterator[Record]:
    for spec in specs:
        _log.info("%s ...", spec.trial)
        yield run_trial(spec)
