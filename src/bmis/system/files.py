"""Files that are written whole or not at all, and output folders that are checked before work."""

import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bmis.errors import DataError
from bmis.system.temporary import remove_remains, temporary_name

_FOREIGN_BYTE = re.compile("[\udc80-\udcff]")  # of file names, as Python holds them


def output_folder(path: Path) -> Path:
    """Make a folder to write into, parents included, and check that it can be written to.

    Raises:
        DataError: It is a file, or cannot be made or written to.

    Example:
        >>> output_folder(Path("results/masks")).is_dir()
        True
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataError(
            f"{path}: cannot write here ({error.strerror}); choose another output folder"
        ) from error
    return path


@contextmanager
def remove_if_empty(folder: Path) -> Iterator[None]:
    """Remove a folder again if the block fails before anything is in the folder.

    Example:
        >>> try:
        ...     with remove_if_empty(output_folder(Path("results"))):
        ...         raise DataError("nothing to predict")
        ... except DataError:
        ...     Path("results").exists()
        False
    """
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something is in it, or another process was first
            folder.rmdir()
        raise


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder that becomes ``path`` if the block ends well.

    The suffix is kept, because writers choose the format by it. On an error nothing is left.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> with atomic(Path("mask.txt")) as temporary:
        ...     size = temporary.write_text("0 1 1 0")
        >>> Path("mask.txt").read_text()
        '0 1 1 0'
    """
    remove_remains(path.parent.resolve())
    temporary = path.with_name(temporary_name(path.suffix))
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that becomes ``out`` if the block ends well, and else is removed.

    Args:
        out: A folder that is not there or empty.

    Raises:
        DataError: The folder cannot be written.

    Example:
        >>> with whole_folder(Path("shared")) as folder:
        ...     size = (folder / "card.md").write_text("a network")
        >>> [path.name for path in Path("shared").iterdir()]
        ['card.md']
    """
    target = out.absolute()
    output_folder(target.parent)
    remove_remains(target.parent.resolve())
    temporary = target.with_name(temporary_name(""))
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_system_file(path: Path) -> str:
    """The text of a small file of the operating system; empty where there is none.

    Example:
        >>> read_system_file(Path("/proc/no/such/file"))
        ''
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def write_text(path: Path, text: str) -> None:
    r"""Write a text file in UTF-8, whole or not at all.

    Bytes of a file's name that are no text are written as escapes, such as ``\udcff``.

    Example:
        >>> write_text(Path("notes.md"), "5 µm")
        >>> len(Path("notes.md").read_bytes())
        5
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON, whole or not at all; NaN and infinity are refused.

    Bytes of file names that are no UTF-8 are written as ``write_text`` writes them, because half
    characters are no JSON.

    Example:
        >>> write_json(Path("scores.json"), {"dice": 0.9})
        >>> json.loads(Path("scores.json").read_text())
        {'dice': 0.9}
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, _FOREIGN_BYTE.sub(lambda char: rf"\\u{ord(char[0]):x}", text) + "\n")


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Comma-separated text, a line a row; None becomes an empty field.

    Example:
        >>> print(to_csv([("id", "dice"), ("a,1", 0.5), ("b", None)]), end="")
        id,dice
        "a,1",0.5
        b,
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
