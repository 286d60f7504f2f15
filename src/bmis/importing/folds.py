"""The folds of a source that is a data set of bmis already."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bmis.data.tables import Row, read_table
from bmis.errors import DataError
from bmis.importing.tree import Tree
from bmis.system.files import to_csv, write_text
from bmis.wording import counted

_FOLDER = "folds"


@dataclass(frozen=True)
class Folds:
    """The files of folds that were read.

    Attributes:
        rows: The split of each image by its id, for each file.
        notes: What was decided about the files.
        failed: Files that cannot be read, with the reason.
        used: All files of folds in the source.

    Example:
        >>> Folds({}).used
        ()
    """

    rows: dict[str, dict[str, Row]]
    notes: tuple[str, ...] = ()
    failed: tuple[DataError, ...] = ()
    used: tuple[Path, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the files into the folder of a data set."""
        for name, rows in self.rows.items():
            (folder / _FOLDER).mkdir(exist_ok=True)
            lines = [(row.id, row.split) for row in rows.values()]
            write_text(folder / _FOLDER / name, to_csv([("id", "split"), *lines]))


def read_folds(tree: Tree, ids: Collection[str]) -> Folds:
    r"""Read ``folds/*.csv`` of a source, as far as they still fit the images.

    A file is taken if it lists every image. Its lines for images that are not there are left out.

    Args:
        tree: The source.
        ids: Ids of the imported images.

    Example:
        >>> Path("folds").mkdir()
        >>> size = Path("folds/fold1.csv").write_text("id,split\na,train\nb,test\n")
        >>> folds = read_folds(Tree(Path("."), (Path("folds/fold1.csv"),)), ["a", "b"])
        >>> folds.notes
        ('files of folds/ that are carried over: 1',)
    """
    files = tuple(file for file in tree.ending(".csv") if file.parent == tree.root / _FOLDER)
    rows: dict[str, dict[str, Row]] = {}
    failed, unfit, lost = [], [], 0
    for file in files:
        try:
            table = read_table(file)
        except DataError as error:
            failed.append(error)
            continue
        missing = sorted(set(ids) - set(table))
        if missing:
            unfit.append(f"{tree.relative(file)} (it does not list {missing[0]!r})")
            continue
        rows[file.name] = {name: row for name, row in table.items() if name in ids}
        lost += len(table) - len(rows[file.name])
    notes = []
    if rows:
        without = (
            f", without {counted(lost, 'line')} for images that are not imported" if lost else ""
        )
        notes.append(f"files of folds/ that are carried over: {len(rows)}{without}")
    if unfit:
        more = f" and {len(unfit) - 1} more" if len(unfit) > 1 else ""
        notes.append(f"not carried over: {unfit[0]}{more}")
    return Folds(rows, tuple(notes), tuple(failed), files)
