"""The tables that assign cases to splits: ``splits.csv`` and the files of folds."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bmis.data.on_error import OnError
from bmis.data.splits import SPLITS
from bmis.errors import DataError, did_you_mean
from bmis.system.reading import read_text

_LARGEST = 2**26  # bytes; a million images have less


@dataclass(frozen=True)
class Row:
    """One line of a table. A missing column is None, and an empty ``split`` is "".

    Attributes:
        id: File name of the image without its suffix.
        split: "train", "val", "test", or "" to leave the image out.
        group: Name of the group (a patient) that the image belongs to.
        stratum: Name of the stratum (a diagnosis) that the image belongs to.

    Example:
        >>> Row("img_07", split="test", group="patient 3").stratum is None
        True
    """

    id: str
    split: str | None = None
    group: str | None = None
    stratum: str | None = None


def read_table(path: Path) -> dict[str, Row]:
    """Read the columns ``id[,split][,group][,class or stratum]`` and ignore all others.

    Returns:
        The rows by id.

    Raises:
        DataError: There is no column ``id``, an id comes twice, or a split is unknown.

    Example:
        >>> rows = read_table(Path("polyps/splits.csv"))
        >>> len(rows), rows["endoscopy_0001"].split
        (12, 'val')
    """
    text = read_text(path, limit=_LARGEST)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        lines = [(reader.line_num, line) for line in reader]
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error}); export it again") from error
    if "id" not in columns:
        raise DataError(
            f"{path}: the first line must name the columns, such as 'id,split'; got "
            f"{','.join(columns)!r}"
        )
    rows: dict[str, Row] = {}
    for number, line in lines:
        row = _row({name: (line.get(name) or "").strip() for name in columns})
        if row.id in rows:
            raise DataError(f"{path}: line {number}: id {row.id!r} for the second time")
        if row.split and row.split not in SPLITS:
            raise DataError(
                f"{path}: line {number}: unknown split {row.split!r}"
                f"{did_you_mean(row.split, SPLITS)}"
            )
        rows[row.id] = row
    return rows


def _row(values: dict[str, str]) -> Row:
    stratum = values.get("stratum") or values.get("class")
    return Row(values["id"], values.get("split"), values.get("group") or None, stratum or None)


def check_ids(
    path: Path, rows: dict[str, Row], ids: Collection[str], *, complete: bool, on_error: OnError
) -> None:
    """Compare a table with the images that there are.

    Args:
        path: File of the table, for the message.
        rows: Rows of the table by id.
        ids: Ids of all images.
        complete: Whether the table must list every image.
        on_error: Takes an error for ids without an image, and one for images without a row.

    Example:
        >>> rows = {"a": Row("a", "train"), "ghost": Row("ghost", "test")}
        >>> check_ids(Path("splits.csv"), rows, ["a", "b"], complete=True, on_error=print)
        splits.csv: no image for id 'ghost'; an id is the image's file name without suffix: ...
        splits.csv: image 'b' is in no split; add a line for it, with an empty split to ...
    """
    unknown = [name for name in rows if name not in ids]
    if unknown:
        on_error(
            DataError(
                f"{path}: no image for id {_some(unknown)}; an id is the image's file name "
                "without suffix: correct or remove the line"
            )
        )
    missing = sorted(set(ids) - set(rows)) if complete else []
    if missing:
        on_error(
            DataError(
                f"{path}: image {_some(missing)} is in no split; add a line for it, with an "
                "empty split to leave it out"
            )
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]!r}{more}"
