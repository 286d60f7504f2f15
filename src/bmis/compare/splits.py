"""The splits that a comparison runs on, and the records that it may go on beside."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bmis.compare.settings import CompareConfig
from bmis.compare.spec import SPLIT_SEED
from bmis.data.fingerprint import changed_parts, content_fingerprints, split_fingerprint
from bmis.data.folder import find_cases, open_dataset
from bmis.data.split_checks import warn_of_splits
from bmis.errors import ConfigError, DataError
from bmis.importing.suggest import point_to_import
from bmis.records import Conditions, Record, Trial, read_records, record_path

_log = logging.getLogger("bmis")


@dataclass(frozen=True)
class Split:
    """One way to divide one data set.

    Attributes:
        dataset: Its name.
        path: Its folder.
        fold: Number of the fold; None for its own split.
        fingerprint: Of the ids, their splits and fields of view.
        content: Fingerprints of what its files hold.

    Example:
        >>> Split("polyps", "data/polyps", fold=2, fingerprint="", content={}).fold
        2
    """

    dataset: str
    path: str
    fold: int | str | None
    fingerprint: str
    content: dict[str, str]


def find_splits(config: CompareConfig) -> list[Split]:
    """The splits of all data sets, checked before anything is trained.

    Raises:
        ConfigError: Two data sets have one name.
        DataError: A data set cannot be used, or lacks images to train on, to choose by or to test.

    Example:
        >>> (split,) = find_splits(CompareConfig(("polyps",), ("bmis",)))
        >>> split.path, split.fold
        ('polyps', None)
    """
    folds = range(1, config.folds + 1) if config.folds else (None,)
    found: list[Split] = []
    for path in config.data:
        point_to_import(Path(path))
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
            found.append(Split(name, path, fold, split_fingerprint(cases), content))
    return found


def read_known(
    folder: Path, conditions: Conditions, splits: Sequence[Split]
) -> dict[Trial, Record]:
    """The records that are in a results folder, if they belong to this comparison.

    Raises:
        ConfigError: They were made under other conditions.
        DataError: They are of other images, masks or splits, or one is damaged.

    Example:
        >>> Path("results").mkdir()
        >>> read_known(Path("results"), Conditions(), [])
        {}
    """
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


def _check_same_data(path: Path, record: Record, split: Split) -> None:
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
    folder: Path, records: Iterable[Record], now: Mapping[tuple[str, Any], Split]
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
