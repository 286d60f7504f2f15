"""The split of each image: by a fold, by ``splits.csv``, by the layout of the folder, or made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bmis.data.coding import UNDECLARED, MaskRules
from bmis.data.on_error import OnError, raise_error
from bmis.data.pairs import Pair
from bmis.data.scan import foreground_values
from bmis.data.splits import SPLITS, make_fold, make_split
from bmis.data.tables import Row, check_ids, read_table
from bmis.errors import ConfigError, DataError
from bmis.system.pipeline import each
from bmis.system.progress import track


def assign_splits(
    root: Path,
    pairs: Sequence[Pair],
    *,
    fold: int | str | Path | None = None,
    seed: int = 0,
    rules: MaskRules = UNDECLARED,
    on_error: OnError = raise_error,
) -> list[Row]:
    """Find the split, group and stratum of each image.

    Args:
        root: Folder of the data set, with ``splits.csv`` and ``folds/`` if it has them.
        pairs: Images of the data set.
        fold: Number or file of a fold, as in ``open_dataset``; None for the ordinary split.
        seed: Seed of a split or fold that has to be made.
        rules: What is declared about the values in the masks.
        on_error: Takes errors of the tables, and that there are too few images for all splits.

    Returns:
        One row per pair, in the same order. The split is None where none could be found, and ""
        where a table leaves the image out.

    Raises:
        ConfigError: There is no such fold.

    Example:
        >>> from bmis.data.layouts import find_layout
        >>> root = Path("polyps")
        >>> rows = assign_splits(root, find_layout(root).pairs, fold=1)
        >>> sum(row.split == "test" for row in rows)
        3
    """
    table = root / "splits.csv"
    complete = fold is None
    listed = _read(table, pairs, complete=complete, on_error=on_error) if table.exists() else {}
    rows = [_row(pair, listed.get(pair.id)) for pair in pairs]
    number, file = _find_fold(root, fold)
    if file is not None:
        chosen = _read(file, pairs, complete=True, on_error=on_error)
        splits = {name: row.split for name, row in chosen.items()}
        return [replace(row, split=splits.get(row.id)) for row in rows]
    if number is None and any(row.split is not None for row in listed.values()):
        return rows
    try:
        made = _make(rows, number, seed, _foreground(pairs, rules))
    except DataError as error:
        on_error(DataError(f"{root}: {error}"))
        return rows
    return [replace(row, split=made.get(row.id, row.split)) for row in rows]


def _read(
    path: Path, pairs: Sequence[Pair], *, complete: bool, on_error: OnError
) -> dict[str, Row]:
    try:
        rows = _of_slices(read_table(path), pairs)
    except DataError as error:
        on_error(error)
        return {}
    ids = {pair.id for pair in pairs}
    check_ids(path, rows, ids, complete=complete, on_error=on_error)
    return rows


def _of_slices(rows: dict[str, Row], pairs: Sequence[Pair]) -> dict[str, Row]:
    """The rows, with one for each slice in place of that of a volume."""
    slices = [pair for pair in pairs if pair.volume in rows and pair.id not in rows]
    of_volumes = {pair.volume for pair in slices}
    own = {name: row for name, row in rows.items() if name not in of_volumes}
    return own | {pair.id: replace(rows[pair.volume or ""], id=pair.id) for pair in slices}


def _row(pair: Pair, row: Row | None) -> Row:
    """What the table says about an image, completed by what its folder says."""
    if row is None:
        return Row(pair.id, pair.split, pair.group, pair.folder)
    split = pair.split if row.split is None else row.split
    return Row(pair.id, split, row.group or pair.group, row.stratum or pair.folder)


def _foreground(pairs: Sequence[Pair], rules: MaskRules) -> dict[str, frozenset[int]]:
    """The classes that each image shows, by id; all masks are read for it."""
    values = partial(foreground_values, rules=rules)
    found = each(values, [pair.masks for pair in pairs])
    found = track(found, "reading masks", total=len(pairs))
    return {pair.id: classes for pair, classes in zip(pairs, found, strict=True)}


def _make(
    rows: Sequence[Row], fold: int | None, seed: int, shown: Mapping[str, frozenset[int]]
) -> dict[str, str]:
    """Splits of the images that are free to go into any, by id."""
    if fold is not None:
        return make_fold([row for row in rows if row.split != ""], fold, seed=seed, shown=shown)
    free = [row for row in rows if row.split is None]
    # where the layout decides on the test split, only val is still to be made
    parts = SPLITS if len(free) == len(rows) else ("train", "val")
    return make_split(free, seed=seed, parts=parts, shown=shown)


def _find_fold(root: Path, fold: int | str | Path | None) -> tuple[int | None, Path | None]:
    """The number of a fold to make, or the file of one to read, or neither."""
    if fold is None:
        return None, None
    text = str(fold)
    if not text.isdecimal():
        if not Path(text).is_file():
            raise ConfigError(f"fold must be a number or a CSV file; there is no file {text}")
        return None, Path(text)
    folder = root / "folds"
    if not folder.is_dir():
        return int(text), None
    file = folder / f"fold{int(text)}.csv"
    if not file.is_file():
        there = ", ".join(sorted(path.name for path in folder.glob("*.csv"))) or "none"
        raise ConfigError(f"{file}: there is no such fold; there are: {there}")
    return None, file
