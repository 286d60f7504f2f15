"""The verb ``compare``: many networks on many data sets under the same rules, a record each."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from bmis.compare.cluster import run_on_cluster
from bmis.compare.methods import Variant, find_methods
from bmis.compare.settings import CompareConfig
from bmis.compare.trial import SPLIT_SEED, TrialSpec, fingerprint, measure_again, run_trial
from bmis.data.folder import find_cases, open_dataset
from bmis.errors import ConfigError, DataError
from bmis.models.plugins import load_plugins
from bmis.records import Conditions, Record, Trial, read_records, record_path, write_record
from bmis.system.files import output_folder
from bmis.system.progress import progress_bar, track

_log = logging.getLogger("bmis")
_WORK = ".work"  # run folders of trials that are under way; gone when their records are there


@dataclass(frozen=True)
class Comparison:
    """What ``compare_methods`` leaves behind.

    Attributes:
        out: The results folder.
        records: Of all trials that were asked for, done now or before.
        ran: How many of them this call ran.
    """

    out: Path
    records: tuple[Record, ...]
    ran: int

    @property
    def failed(self) -> tuple[Record, ...]:
        """Those that failed."""
        return tuple(record for record in self.records if record.status == "failed")


def compare_methods(
    config: CompareConfig,
    *,
    out: Path | str,
    retry: bool = False,
    ray: str | None = None,
    keep: Path | str | None = None,
    again: bool = False,
) -> Comparison:
    """Train, score and measure every method on every data set, fold and seed.

    One record a trial is all that is written to ``out``. Trials whose record is there are not run
    again, so the call may be stopped at any moment and repeated, with more of everything.

    Args:
        config: What to do.
        out: Results folder.
        retry: Run trials that failed once more.
        ray: None to run trials one after another; else see ``cluster.run_on_cluster``.
        keep: Folder for the run folders of the trials with their weights; None to delete them.
        again: Measure the costs of the trials that are done once more, here and now.

    Raises:
        ConfigError: A setting is wrong, or ``out`` holds records under other conditions.
        DataError: A data set cannot be used, a record is damaged, or ``out`` cannot be written to.
        MissingExtraError: A library is not installed that a method or Ray needs.
        TrainingInterrupted: Ctrl-C; the same call goes on from there.
    """
    load_plugins(config.plugins)
    variants = find_methods(config.methods)
    folder = output_folder(Path(out))
    splits = _find_splits(config)
    known = _read_known(folder, config.conditions, splits)
    home = Path(keep) if keep is not None else folder / _WORK
    jobs = [
        _job(config, variant, split, seed, home)
        # all methods first, then more of the same: stopped early, the comparison is still one
        for seed, split, variant in product(range(config.seeds), splits, variants)
    ]
    if keep is not None:
        jobs = [replace(job, keep=True) for job in jobs]
    todo = [
        job
        for job in jobs
        if job.trial not in known or (retry and known[job.trial].status == "failed")
    ]
    if again:
        for job in track([job for job in jobs if job not in todo], "measuring costs"):
            if known[job.trial].status == "done":
                known[job.trial] = measure_again(job, known[job.trial])
                write_record(folder, known[job.trial])
    _log.info("%d trials, %d to run", len(jobs), len(todo))
    for record in _run(todo, ray):
        write_record(folder, record)
        known[record.trial] = record
        _log.info("%s: %s", record.trial, describe(record))
    if keep is None:
        shutil.rmtree(home, ignore_errors=True)
    return Comparison(folder, tuple(known[job.trial] for job in jobs), len(todo))


def describe(record: Record) -> str:
    """What came of a trial, in a few words."""
    if record.status == "failed":
        return f"failed: {record.reason}"
    iou, dice = (record.summary["cases"][metric]["mean"] for metric in ("iou", "dice"))
    return f"IoU {iou:.3f}, Dice {dice:.3f}, trained in {record.training['seconds']:.0f} s"


@dataclass(frozen=True)
class _Split:
    """One way to divide one data set."""

    dataset: str
    path: str
    fold: int | str | None
    fingerprint: str


def _job(
    config: CompareConfig, variant: Variant, split: _Split, seed: int, home: Path
) -> TrialSpec:
    trial = Trial(split.dataset, variant.text, split.fold, seed)
    return TrialSpec(
        trial=trial,
        conditions=config.conditions,
        data=split.path,
        model=variant.name,
        options=variant.options,
        work=record_path(home, trial).with_suffix(""),
        device=config.device,
        precision=config.precision,
        plugins=config.plugins,
    )


def _find_splits(config: CompareConfig) -> list[_Split]:
    """All that is trained on, looked at before anything is trained."""
    folds = range(1, config.folds + 1) if config.folds else (None,)
    found: list[_Split] = []
    for path in config.data:
        name = open_dataset(path, fold=folds[0], seed=SPLIT_SEED).name
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
            found.append(_Split(name, path, fold, fingerprint(cases)))
    return found


def _read_known(
    folder: Path, conditions: Conditions, splits: Sequence[_Split]
) -> dict[Trial, Record]:
    """The records that are there, if they belong to this comparison."""
    known = {record.trial: record for record in read_records(folder)}
    prints = {(split.dataset, split.fold): split.fingerprint for split in splits}
    for trial, record in known.items():
        if record.conditions != conditions:
            raise ConfigError(
                f"{folder}: holds records of {record.conditions}, now {conditions}; "
                "choose another --out"
            )
        wanted = prints.get((trial.dataset, trial.fold))
        if record.status == "done" and wanted not in (None, record.data["fingerprint"]):
            raise DataError(
                f"{record_path(folder, trial)}: {trial.dataset} was divided otherwise then, or had "
                "other images or fields of view; choose another --out"
            )
    return known


def _run(jobs: Sequence[TrialSpec], ray: str | None) -> Iterator[Record]:
    """The records of all trials, as they come, behind a progress bar."""
    with progress_bar() as bar:
        task = bar.add_task("trials", total=len(jobs))
        records = run_on_cluster(jobs, ray) if ray and jobs else _one_by_one(jobs)
        for number, record in enumerate(records, start=1):
            yield record
            bar.update(task, completed=number, description=f"trials  last: {record.trial}")


def _one_by_one(jobs: Sequence[TrialSpec]) -> Iterator[Record]:
    for job in jobs:
        _log.info("%s ...", job.trial)
        yield run_trial(job)
