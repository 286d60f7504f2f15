"""The tables that say which case belongs to which split: splits.csv and fold files."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bmis.data.on_error import Report
from bmis.data.splits import SPLITS
from bmis.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Row:
    """One line of a table; None where the table has no such column, "" where the cell is empty."""

    split: str | None
    group: str | None
    stratum: str | None


def read_table(path: Path) -> dict[str, Row]:
    """Read ``id[,split][,group][,class or stratum]``, one row per id; other columns are ignored.

    Raises:
        DataError: No ``id`` column, an id twice, or a split other than train, val, test or empty.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error}); save it as UTF-8") from error
    if "id" not in columns:
        raise DataError(
            f"{path}: the first line must name the columns, such as 'id,split'; got "
            f"{','.join(columns)!r}"
        )
    rows: dict[str, Row] = {}
    for number, line in lines:
        cells = {name: (line.get(name) or "").strip() for name in columns}
        name, split = cells["id"], cells.get("split")
        if name in rows:
            raise DataError(f"{path}: line {number}: id {name!r} for the second time")
        if split and split not in SPLITS:
            raise DataError(
                f"{path}: line {number}: unknown split {split!r}{did_you_mean(split, SPLITS)}"
            )
        stratum = cells.get("stratum") or cells.get("class")
        rows[name] = Row(split, cells.get("group") or None, stratum or None)
    return rows


def check_ids(
    path: Path, rows: dict[str, Row], ids: Collection[str], *, complete: bool, report: Report
) -> None:
    """Compare a table with the images there are.

    Args:
        path: The table, for the message.
        rows: Its rows.
        ids: Ids of the images.
        complete: Whether each image must stand in the table.
        report: Takes the faults: ids without an image, images without a row.
    """
    unknown = [name for name in rows if name not in ids]
    if unknown:
        report(
            DataError(
                f"{path}: no image for id {_some(unknown)}; an id is the image's file name "
                "without suffix: correct or remove the line"
            )
        )
    left_out = sorted(set(ids) - set(rows)) if complete else []
    if left_out:
        report(
            DataError(
                f"{path}: image {_some(left_out)} stands in no split; add a line for it, with an "
                "empty split to leave it out"
            )
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"
