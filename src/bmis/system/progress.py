"""Progress bars on the terminal: count, rate and remaining time on stderr, nothing when piped."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from operator import length_hint
from typing import Any, TextIO, TypeVar

from bmis.errors import printable

_T = TypeVar("_T")
_DELAY = 1.0  # seconds; work that is done by then needs no bar


class ProgressBar:
    """The part of a ``tqdm`` bar that callers use; this one shows nothing.

    Attributes:
        n: Steps done so far.

    Example:
        >>> bar = ProgressBar()
        >>> bar.update(3)
    """

    n = 0

    def update(self, n: int = 1) -> None:
        """Count steps; a negative number takes steps back."""

    def set_description(self, desc: str) -> None:
        """Replace the words before the bar, and show the bar at once."""


@contextmanager
def progress_bar(
    description: str, total: int | None, *, initial: int = 0, disable: bool = False
) -> Iterator[ProgressBar]:
    """A bar on stderr for work that takes more than a second; removed from the screen when done.

    Whole lines that others write to stderr meanwhile appear above the bar. Bars may be nested.

    Args:
        description: Words before the bar.
        total: Number of steps; None where it is not known.
        initial: Steps done before.
        disable: Show nothing, even on a terminal.

    Example:
        >>> with progress_bar("reading", total=3) as bar:  # silent here: stderr is no terminal
        ...     for _ in range(3):
        ...         bar.update()
    """
    if disable or not sys.stderr.isatty():
        yield ProgressBar()  # without tqdm, which takes time to import
        return
    from tqdm import tqdm

    stderr: Any = sys.stderr
    terminal = stderr.terminal if isinstance(stderr, _LinesAboveBars) else stderr
    lines: Any = _LinesAboveBars(terminal)
    bar = tqdm(
        desc=printable(description),
        total=total,
        initial=initial,
        file=terminal,
        leave=False,
        delay=_DELAY,
        smoothing=0,  # the remaining time rests on all steps: a training pauses to validate
        dynamic_ncols=True,
    )
    try:
        with redirect_stderr(lines):
            yield bar
    finally:
        bar.clear()  # close() forgets bars that a message or a description made visible early
        bar.close()
        lines.finish()


def track(items: Iterable[_T], description: str, *, total: int | None = None) -> Iterator[_T]:
    """Go through ``items`` behind a progress bar.

    Args:
        items: Anything to go through.
        description: Words before the bar.
        total: Number of items where they have no length.

    Example:
        >>> list(track([1, 2, 3], "counting"))
        [1, 2, 3]
    """
    with progress_bar(description, total or length_hint(items) or None) as bar:
        for item in items:
            yield item
            bar.update()


class _LinesAboveBars:
    """Stands in for stderr while a bar is shown: whole lines go above it, the rest waits."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal, self._rest = terminal, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)

    def write(self, text: str) -> int:
        from tqdm import tqdm

        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            tqdm.write(lines, file=self.terminal)
        return len(text)

    def finish(self) -> None:
        """Write what waits for the end of its line."""
        self.terminal.write(self._rest)
