"""The page of a run while others write the run. It is never in their way: an error is a warning."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bmis.config.run_files import PAGE_FILE
from bmis.data.cases import Dataset
from bmis.report.runs.page import write_run_page

_EVERY = 10.0  # seconds from one drawing to the next
_log = logging.getLogger("bmis")


@contextmanager
def live_page(run: Path, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """Keep the page of a run up to date while the run is trained.

    Args:
        run: The run folder.
        wanted: Whether there is to be a page.

    Yields:
        To be called when an epoch's files are there. It draws the page anew, if ten seconds have
        passed since it was drawn last. At the end, an error or Ctrl-C the page is drawn once more
        and does not refresh itself any longer.

    Example:
        >>> with live_page(Path("run"), wanted=True) as epoch_is_done:
        ...     epoch_is_done()
        >>> Path("run/report.html").exists()
        True
    """
    last = -_EVERY

    def epoch_is_done() -> None:
        nonlocal last
        if wanted and time.monotonic() - last >= _EVERY:
            try_to_write(run, live=True)
            last = time.monotonic()

    try:
        yield epoch_is_done
    finally:
        if wanted and (run / PAGE_FILE).exists():
            try_to_write(run)


@contextmanager
def only_warn(what: str) -> Iterator[None]:
    """Whatever goes wrong in the block becomes a warning.

    Args:
        what: What cannot be done then.

    Example:
        >>> with only_warn("run/report.html cannot be drawn"):  # on stderr: ... (disk full)
        ...     raise OSError("disk full")
    """
    try:
        yield
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        _log.warning("%s, all else is there (%s)", what, why)


def try_to_write(run: Path, dataset: Dataset | None = None, *, live: bool = False) -> None:
    """Write the page of a run; whatever goes wrong becomes a warning.

    Args:
        run: The run folder.
        dataset: Where its images are, if that is at hand.
        live: Whether it is being trained.

    Example:
        >>> try_to_write(Path("run"))
        >>> Path("run/report.html").exists()
        True
    """
    with only_warn(f"{run / PAGE_FILE} cannot be drawn"):
        write_run_page(run, dataset=dataset, live=live)


def refresh_page(run: Path, dataset: Dataset) -> None:
    """Bring the scores of a run onto its page, if it has one.

    Args:
        run: The run folder.
        dataset: The data set that was scored.

    Example:
        >>> import bmis
        >>> Path("run/report.html").unlink()
        >>> refresh_page(Path("run"), bmis.open_dataset("polyps"))
        >>> Path("run/report.html").exists()  # whoever removed it does not want it
        False
    """
    if (run / PAGE_FILE).exists():
        try_to_write(run, dataset)
