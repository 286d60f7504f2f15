"""What is wrong with a division into splits: groups that are divided, splits that show nothing."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bmis.data.cases import Case, Dataset
from bmis.data.coding import IGNORE, Coding
from bmis.data.on_error import warn_once
from bmis.data.scan import mask_values
from bmis.data.splits import SPLITS
from bmis.errors import DataError
from bmis.wording import counted

_CONSEQUENCES = {
    "train": "a network learns to find nothing",
    "val": "it cannot choose the best epoch, and the last one is kept",
    "test": "its scores do not say whether a network finds anything",
}


def split_problems(root: Path, cases: Sequence[Case], coding: Coding) -> list[str]:
    """What makes scores of these splits misleading, a sentence for each.

    Masks are read up to the first of each split that shows foreground.

    Args:
        root: Folder of the data set, for the messages.
        cases: All cases with their splits.
        coding: What the values in the masks mean.

    Example:
        >>> from bmis import open_dataset
        >>> dataset = open_dataset("polyps")
        >>> split_problems(dataset.root, dataset.cases, dataset.coding)
        []
    """
    return [*_divided_groups(root, cases), *_empty_splits(root, cases, coding)]


def warn_of_splits(dataset: Dataset) -> None:
    """Log each of ``split_problems`` as a warning, once in a process: trials share a data set.

    Example:
        >>> from bmis import open_dataset
        >>> warn_of_splits(open_dataset("polyps"))
    """
    for problem in split_problems(dataset.root, dataset.cases, dataset.coding):
        warn_once(problem)


def _divided_groups(root: Path, cases: Sequence[Case]) -> list[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.group and case.split:
            splits[case.group].add(case.split)
    divided = {group: sorted(sides) for group, sides in splits.items() if len(sides) > 1}
    if not divided:
        return []
    group, sides = next(iter(divided.items()))
    return [
        f"{root}: {counted(len(divided), 'group')} divided between splits, such as {group!r} "
        f"between {' and '.join(sides)}; keep a group in one split, or scores come out too good"
    ]


def _empty_splits(root: Path, cases: Sequence[Case], coding: Coding) -> list[str]:
    problems = []
    for split in SPLITS:
        chosen = [case for case in cases if case.split == split]
        if chosen and not any(_may_show(case, coding) for case in chosen):
            problems.append(
                f"{root}: no foreground in split {split!r} ({counted(len(chosen), 'image')}), "
                f"so {_CONSEQUENCES[split]}; make another split"
            )
    return problems


def _may_show(case: Case, coding: Coding) -> bool:
    """Whether a case shows foreground; true where its masks do not say, which has its own error."""
    try:
        values = {value for mask in case.masks for value in mask_values(mask)}
    except DataError:
        return True
    return not coding.allows(values) or any(coding.class_of(v) not in (0, IGNORE) for v in values)
