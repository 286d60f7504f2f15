"""Other libraries kept quiet while they make graphs: what they say is not for our users."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def silence() -> Iterator[None]:
    """No warnings and no logs; what is printed goes to the terminal's stderr, or nowhere.

    Standard output stays ours: machines read it.
    """
    before = logging.root.manager.disable
    elsewhere = sys.stderr if sys.stderr.isatty() else io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(elsewhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def silence_stderr() -> Iterator[None]:
    """What libraries in C++ say on the process's stderr goes nowhere.

    Only while no progress bar is shown: it would be cut.
    """
    before = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(nothing)
        os.close(before)
