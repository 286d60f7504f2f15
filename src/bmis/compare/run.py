"""The command ``compare``: many networks on many data sets, a record for each trial."""

import logging
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from bmis.compare.cluster import run_on_cluster
from bmis.compare.costs import measure_costs
from bmis.compare.methods import Variant, check_plugins, find_methods
from bmis.compare.parallel import run_side_by_side
from bmis.compare.settings import CompareConfig
from bmis.compare.spec import SPLIT_SEED, TrialSpec
from bmis.compare.splits import Split, find_splits, read_known
from bmis.compare.trial import run_trial, train_config
from bmis.data.folder import open_dataset
from bmis.errors import ConfigError, printable
from bmis.metrics import describe_collapse
from bmis.models import initial_weights
from bmis.models.plugins import load_plugins
from bmis.records import Record, Trial, record_path, write_record
from bmis.system.environment import changes, influences
from bmis.system.files import output_folder
from bmis.system.progress import ProgressBar, progress_bar, track
from bmis.train.recipes import find_recipe
from bmis.train.run_folder import environment
from bmis.train.threads import chooses_threads
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
        >>> from bmis.records import Conditions
        >>> conditions = Conditions("fast", epochs=1, size=(32, 32))
        >>> config = CompareConfig(("polyps",), ("unet:widths=[4,8]",), conditions=conditions)
        >>> done = compare_methods(config, out="results")
        >>> [(record.trial.method, record.status) for record in done.records]
        [('unet:widths=[4,8]', 'done')]
    """
    if ray and config.parallel > 1:
        raise ConfigError("--parallel is for this machine, --ray for a cluster; leave one out")
    load_plugins(config.plugins)
    check_plugins(Path(out), config.methods)
    variants = find_methods(config.methods, config.weights)
    _say_without_weights(config, variants)
    folder = output_folder(Path(out))
    splits = find_splits(config)
    known = read_known(folder, config.conditions, splits)
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
        _say_other_code(folder, known.values(), todo[0])
    if measure_again:
        _measure_again([spec for spec in specs if spec not in todo], known, folder)
    _log.info("%s, %d to run", counted(len(specs), "trial"), len(todo))
    begin = time.monotonic()
    for number, record in enumerate(_run(todo, config.parallel, ray), start=1):
        write_record(folder, record)
        known[record.trial] = record
        times = time_left(time.monotonic() - begin, number, len(todo))
        done = f"{number} of {counted(len(todo), 'trial')}, {times}"
        _log.info("%s: %s (%s)", record.trial, describe(record), done)
    if keep is None:
        shutil.rmtree(runs, ignore_errors=True)
    return Comparison(folder, tuple(known[spec.trial] for spec in specs), len(todo))


def _say_without_weights(config: CompareConfig, variants: Sequence[Variant]) -> None:
    """Name the networks that cannot start from ImageNet, though it was asked for."""
    without = [v.text for v in variants if initial_weights(v.name, v.options) == "none"]
    if config.weights == "imagenet" and without:
        _log.warning(
            "--weights imagenet: %s %s from random weights, the others from ImageNet; the report "
            "says so",
            ", ".join(without),
            "starts" if len(without) == 1 else "start",
        )


def _say_other_code(folder: Path, records: Iterable[Record], spec: TrialSpec) -> None:
    """Warn if trials that are done were trained with other code or settings than the next."""
    here = environment(threads_measured=chooses_threads(train_config(spec)))
    if spec.threads:
        here["threads"] = spec.threads
    now = influences(here, find_recipe(spec.conditions.recipe).to_dict())
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
        >>> from bmis.records import Conditions
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


def _make_spec(
    config: CompareConfig, variant: Variant, split: Split, seed: int, runs: Path
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
        threads=1 if config.parallel > 1 else None,
        plugins=config.plugins,
    )


def _run(specs: Sequence[TrialSpec], parallel: int, ray: str | None) -> Iterator[Record]:
    """The records of the trials, each as soon as it is there, behind a progress bar."""
    with progress_bar("trials", total=len(specs)) as bar:
        if ray and specs:
            records = run_on_cluster(specs, ray)
        else:
            show = partial(_show, bar)
            alone = parallel == 1
            records = _one_by_one(specs) if alone else run_side_by_side(specs, parallel, show)
        for record in records:
            yield record
            bar.update()
            bar.set_description(printable(f"trials  last: {record.trial}"))


def _show(bar: ProgressBar, states: Sequence[str]) -> None:
    """Say beside the bar how far the trials are that run now."""
    bar.set_description(printable(" | ".join(states)))


def _one_by_one(specs: Sequence[TrialSpec]) -> Iterator[Record]:
    for spec in specs:
        _log.info("%s ...", spec.trial)
        yield run_trial(spec)
