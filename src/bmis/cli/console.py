"""What the command says: answers on stdout, for people or as JSON, and faults on stderr."""

import argparse
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

_NAMED = 10  # images that a warning names
_WIDE = 140  # columns, where nobody says how many there are


def say(text: str) -> None:
    """Write a line of the answer to stdout."""
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:
    """Write plain values as the answer; not-a-number and infinity are refused."""
    say(json.dumps(value, indent=2, allow_nan=False))


def answer(args: argparse.Namespace, plain: Any, picture: RenderableType) -> None:
    """The result for machines or for people, as asked.

    Args:
        args: With ``json``.
        plain: For machines.
        picture: For people.
    """
    if args.json:
        say_json(plain)
    else:
        console = Console()
        if not console.is_terminal:  # a file or a pipe has no edge
            console.width = _WIDE
        console.print(picture)


def say_failures(failed: Sequence[tuple[Path, str]]) -> int:
    """List the files that could not be used, each with why; the exit code that goes with it."""
    for _, why in failed:
        sys.stderr.write(f"bmis: {why}\n")
    if failed:
        sys.stderr.write(f"bmis: {len(failed)} files were left out, the others are done\n")
    return 2 if failed else 0


def warn_out_of_distribution(out_of_distribution: Sequence[tuple[Path, float]]) -> None:
    """List the images that look like none of the training images, the first few by name."""
    for path, value in out_of_distribution[:_NAMED]:
        sys.stderr.write(
            f"bmis: {path}: looks unlike the training images ({value:.1f} times the limit); "
            "its mask may mean nothing\n"
        )
    if len(out_of_distribution) > _NAMED:
        sys.stderr.write(
            f"bmis: and {len(out_of_distribution) - _NAMED} more, all with a ood_score above 1 in "
            "measurements.csv\n"
        )


def set_up_messages(*, verbose: bool) -> None:
    """Warnings in one line; news of the work where no progress bar can be shown."""
    warnings.formatwarning = lambda message, *_, **__: f"bmis: {message}\n"
    logger = logging.getLogger("bmis")
    logger.handlers = [logging.StreamHandler()]  # to the stderr of now, however often it is called
    logger.setLevel(logging.INFO if verbose or not sys.stderr.isatty() else logging.WARNING)
