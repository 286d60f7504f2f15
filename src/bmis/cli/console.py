"""What every command says: answers on stdout, for people or as JSON, and errors on stderr."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bmis.errors import printable
from bmis.wording import counted, first_of_alike

if TYPE_CHECKING:
    import logging

    from bmis.data.not_read import NotRead

_NAMED = 10  # images that a warning names
_WIDE = 140  # columns, where nobody says how many there are
_NARROW = 12  # characters that a wrapped column keeps on a small terminal
_GAP = 2  # characters between two columns of a table


def say(text: str) -> None:
    """Write a line of the answer, or several, to stdout; names in it cannot steer the terminal.

    Example:
        >>> say("page: report/index.html")
        page: report/index.html
    """
    sys.stdout.write(_printable_lines(text) + "\n")


def say_json(value: Any) -> None:
    """Write plain values as the answer; not-a-number and infinity are refused.

    Example:
        >>> say_json({"epochs": 3})
        {
          "epochs": 3
        }
    """
    import json

    say(json.dumps(value, indent=2, allow_nan=False))


def warn(*lines: str) -> None:
    """Write lines to stderr; each begins with the name of the program.

    Example:
        >>> warn("stopped")
    """
    sys.stderr.write("".join(f"bmis: {printable(line)}\n" for line in lines))


def answer(args: Namespace, plain: Any, text: str) -> None:
    """Print the result for machines or for people, as asked.

    Args:
        args: Arguments of the command, with ``json``.
        plain: The result as plain values, for machines.
        text: The result as lines of text, for people.

    Example:
        >>> answer(Namespace(json=False), {"epochs": 3}, "3 epochs")
        3 epochs
    """
    if args.json:
        say_json(plain)
    else:
        say(text)


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def terminal_width() -> int:
    """Number of columns on stdout; 140 for a file or a pipe, which has no edge.

    Example:
        >>> terminal_width()
        140
    """
    from shutil import get_terminal_size

    return get_terminal_size().columns if sys.stdout.isatty() else _WIDE


def table(
    rows: Iterable[Sequence[str]],
    align: str,
    *,
    headers: Sequence[str] = (),
    title: str = "",
    caption: str = "",
) -> str:
    """Rows as columns of text, no wider than the terminal where wrapped columns allow it.

    Args:
        rows: Texts, as many in each row as there are columns.
        align: A letter for each column: ``l`` for left, ``r`` for right, ``w`` for left and
            wrapped where the terminal is too narrow.
        headers: Names of the columns.
        title: Line above the table.
        caption: Text below the table, wrapped at the edge of the terminal.

    Example:
        >>> print(table([["iou", "0.9123"], ["hd95", "4.02"]], "lr", headers=["metric", "mean"]))
        metric    mean
        ------  ------
        iou     0.9123
        hd95      4.02
    """
    from textwrap import fill

    from tabulate import tabulate

    cells = [[printable(text) for text in row] for row in ([headers] if headers else []) + [*rows]]
    edge = terminal_width()
    widths = _widths(cells, align, edge)
    for column in _wrapping(align):
        for row in cells:
            row[column] = fill(row[column], widths[column])
    if headers:
        cells.insert(1, ["-" * width for width in widths])
    sides = ["right" if letter == "r" else "left" for letter in align]
    body = tabulate(cells, tablefmt="plain", colalign=sides, disable_numparse=True)
    lines = [printable(title)] if title else []
    lines += [line.rstrip() for line in body.splitlines()]
    lines += [fill(line, edge) for line in caption.splitlines()]
    return "\n".join(lines)


def _wrapping(align: str) -> list[int]:
    return [index for index, letter in enumerate(align) if letter == "w"]


def _widths(cells: Sequence[Sequence[str]], align: str, edge: int) -> list[int]:
    """Widths of the columns; the column where the fewest texts must wrap gives way first."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def wrapped(index: int) -> tuple[int, int]:
        return sum(len(row[index]) >= widths[index] for row in cells), -widths[index]

    while sum(widths) + _GAP * (len(widths) - 1) > edge:
        wide = [index for index in _wrapping(align) if widths[index] > _NARROW]
        if not wide:
            break
        widths[min(wide, key=wrapped)] -= 1
    return widths


def say_failures(failed: Sequence[tuple[Path, str]]) -> int:
    """Say on stderr which files could not be used and why; of many alike one is named.

    Returns:
        The exit code that goes with it: 0 if there are none, else 2.

    Example:
        >>> say_failures([(Path("a.png"), "a.png: cannot be read")])
        2
    """
    warn(*first_of_alike(reason for _, reason in failed))
    if failed:
        warn(f"left out: {counted(len(failed), 'file')}; the others are done")
    return 2 if failed else 0


def warn_packed(not_read: "Mapping[Path, NotRead]") -> None:
    """Say on stderr what is not read of archives.

    Example:
        >>> warn_packed({})
    """
    warn(
        *(
            f"{path}: not read: {found}; unpack it and name what is inside"
            for path, found in not_read.items()
        )
    )


def warn_out_of_distribution(out_of_distribution: Sequence[tuple[Path, float]]) -> None:
    """List the images that look unlike the training images on stderr, the first few by name.

    Args:
        out_of_distribution: Files and their out-of-distribution scores, all above 1.

    Example:
        >>> warn_out_of_distribution([(Path("street.jpg"), 7.2)])
    """
    for path, value in out_of_distribution[:_NAMED]:
        warn(
            f"{path}: looks unlike the training images ({value:.2f} times the limit); "
            "its mask may mean nothing"
        )
    if len(out_of_distribution) > _NAMED:
        warn(
            f"and {len(out_of_distribution) - _NAMED} more, all with an ood_score above 1 in "
            "measurements.csv"
        )


def set_up_messages(*, verbose: bool) -> None:
    """Show warnings in one line, and progress in words where no progress bar can be shown.

    Args:
        verbose: Show progress in words on a terminal too.

    Example:
        >>> import logging
        >>> set_up_messages(verbose=True)
        >>> logging.getLogger("bmis").level == logging.INFO
        True
    """
    import logging
    import warnings

    warnings.formatwarning = lambda message, *_, **__: f"bmis: {_one_line(message)}\n"
    # what readers of images say about a file is said by the errors and warnings of bmis
    warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
    logger = logging.getLogger("bmis")
    handler = logging.StreamHandler(_Stderr())
    handler.format = _format  # type: ignore[method-assign]
    logger.handlers = [handler]  # one, however often this is called
    logger.setLevel(logging.INFO if verbose or not sys.stderr.isatty() else logging.WARNING)


def _format(record: "logging.LogRecord") -> str:
    """One line; a warning begins as an error does, so that readers know who speaks."""
    prefix = "" if record.levelname in ("DEBUG", "INFO") else "bmis: "
    return prefix + printable(record.getMessage())


def _one_line(message: object) -> str:
    return printable(" ".join(str(message).split()))


class _Stderr:
    """The stderr of now, which is another one while a progress bar is shown."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()
