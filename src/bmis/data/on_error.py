"""What happens to errors of a data set: most commands name all and stop, ``inspect`` lists them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shlex import quote
from typing import TypeVar

from bmis.errors import DataError
from bmis.system.pipeline import each
from bmis.wording import first_of_alike

OnError = Callable[[DataError], None]
"""Takes an error. If it returns, the work goes on without the file or row in question."""

_T = TypeVar("_T")
_log = logging.getLogger("bmis")
_LISTED = 10  # kinds of errors in one message


def raise_error(error: DataError) -> None:
    """Raise the error: the ``OnError`` of whoever stops at the first.

    Raises:
        DataError: Always.

    Example:
        >>> raise_error(DataError("photo.png: has no mask"))
        Traceback (most recent call last):
        bmis.errors.DataError: photo.png: has no mask
    """
    raise error


def read_each(
    read: Callable[[Path], _T], files: Sequence[Path], on_error: OnError
) -> Iterator[tuple[Path, _T]]:
    """Each file with what is read of it, in order, a few at a time; errors are handed over.

    Args:
        read: Reads one file.
        files: The files.
        on_error: Takes the error of each file that cannot be read.

    Example:
        >>> dict(read_each(lambda path: path.suffix, [Path("photo.png")], raise_error))
        {PosixPath('photo.png'): '.png'}
    """

    def outcome(path: Path) -> tuple[Path, _T] | DataError:
        try:
            return path, read(path)
        except DataError as error:
            return error

    for one in each(outcome, files):
        if isinstance(one, DataError):
            on_error(one)
        else:
            yield one


@cache
def warn_once(sentence: str) -> None:
    """Log a sentence as a warning, once in a process: trials share data sets.

    Example:
        >>> warn_once("polyps: masks hold 0 and 128: 128 is read as foreground")
    """
    _log.warning("%s", sentence)


@contextmanager
def raise_together(root: Path) -> Iterator[OnError]:
    """Collect the errors of the block and raise them as one when it ends, so that all are named.

    An error that the block raises itself comes last, for no work was possible beyond it.

    Args:
        root: Folder of the data set.

    Raises:
        DataError: There were errors. One is raised as it is. Of several that say the same of
            different files one is named, with their number.

    Example:
        >>> with raise_together(Path("polyps")) as on_error:
        ...     on_error(DataError("a.png: has no mask"))
        ...     on_error(DataError("b.png: has no mask"))
        Traceback (most recent call last):
        bmis.errors.DataError: a.png: has no mask (and 1 more like it)
        2 problems; `bmis inspect polyps` lists all of them
    """
    errors: list[DataError] = []
    try:
        yield errors.append
    except DataError as error:
        errors.append(error)
    if errors:
        raise _together(root, errors)


def _together(root: Path, errors: Sequence[DataError]) -> DataError:
    if len(errors) == 1:
        return errors[0]
    lines = first_of_alike(map(str, errors))
    more = [f"and {len(lines) - _LISTED} more kinds of them"] if len(lines) > _LISTED else []
    advice = f"{len(errors)} problems; `bmis inspect {quote(str(root))}` lists all of them"
    return DataError(*lines[:_LISTED], *more, advice)
