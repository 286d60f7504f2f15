"""Progress bars on the terminal: rate and remaining time, on stderr, silent when piped."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_T = TypeVar("_T")


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s", style="cyan")


def progress_bar(*, disable: bool = False) -> Progress:
    """A bar for work that takes more than two seconds; removed from the screen when done.

    Example:
        >>> with progress_bar(disable=True) as bar:
        ...     sum(bar.track([1, 2, 3]))
        6
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=disable or not console.is_terminal,
    )


def track(items: Iterable[_T], description: str, *, total: int | None = None) -> Iterator[_T]:
    """Go through items behind a progress bar.

    Args:
        items: What to go through.
        description: Text before the bar.
        total: Number of items, where they have no length.

    Example:
        >>> [case.upper() for case in track(["a", "b"], "Reading")]
        ['A', 'B']
    """
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)
