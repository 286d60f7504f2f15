"""What every command says: answers on stdout, for people or as JSON, and errors on stderr."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAMED = 10  # images that a warning names
_WIDE = 140  # columns, where nobody says how many there are


def say(text: str) -> None:
    """Write a line of the answer to stdout.

    Example:
        >>> say("page: report/index.html")
        page: report/index.html
    """
    sys.stdout.write(text + "\n")


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


def warn(text: str) -> None:
    """Write one line to stderr that begins with the name of the program.

    Example:
        >>> warn("stopped")
    """
    sys.stderr.write(f"bmis: {text}\n")


def answer(args: Namespace, plain: Any, picture: "RenderableType") -> None:
    """Print the result for machines or for people, as asked.

    Args:
        args: Arguments of the command, with ``json``.
        plain: The result as plain values, for machines.
        picture: The result as ``rich`` prints it, for people.

    Example:
        >>> answer(Namespace(json=False), {"epochs": 3}, "3 epochs")
        3 epochs
    """
    if args.json:
        say_json(plain)
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal:  # a file or a pipe has no edge
        console.width = _WIDE
    console.print(picture)


def say_failures(failed: Sequence[tuple[Path, str]]) -> int:
    """List the files that could not be used, each with the reason, on stderr.

    Returns:
        The exit code that goes with it: 0 if there are none, else 2.

    Example:
        >>> say_failures([(Path("a.png"), "a.png: cannot be read")])
        2
    """
    for _, reason in failed:
        warn(reason)
    if failed:
        warn(f"{len(failed)} files were left out, the others are done")
    return 2 if failed else 0


def warn_out_of_distribution(out_of_distribution: Sequence[tuple[Path, float]]) -> None:
    """List the images that look unlike the training images on stderr, the first few by name.

    Args:
        out_of_distribution: Files and their out-of-distribution scores, all above 1.

    Example:
        >>> warn_out_of_distribution([(Path("street.jpg"), 7.2)])
    """
    for path, value in out_of_distribution[:_NAMED]:
        warn(
            f"{path}: looks unlike the training images ({value:.1f} times the limit); "
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

    warnings.formatwarning = lambda message, *_, **__: f"bmis: {message}\n"
    logger = logging.getLogger("bmis")
    logger.handlers = [logging.StreamHandler()]  # to the stderr of now, however often it is called
    logger.setLevel(logging.INFO if verbose or not sys.stderr.isatty() else logging.WARNING)
