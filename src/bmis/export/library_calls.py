"""Calls of libraries that write graphs: their chatter kept away, their faults told in one line."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from bmis.errors import BmisError, ConfigError, NoMemoryError, is_out_of_memory


@contextmanager
def wrap_library_errors(kind: str) -> Iterator[None]:
    """Around calls that write a network in another library's format, or run what was written.

    Silent, see ``silence``.

    Args:
        kind: Of what is written, such as "an ONNX graph".

    Raises:
        ConfigError: The library failed, by whatever error of its own.
        NoMemoryError: There is not enough memory for it.
    """
    try:
        with silence():
            yield
    except BmisError:
        raise
    except Exception as error:  # exporters wrap faults of every kind
        if is_out_of_memory(error):
            raise NoMemoryError(f"not enough memory to write {kind}; use a smaller size") from error
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ConfigError(
            f"this network cannot be written as {kind} ({reason.strip()[:200]}); "
            "leave that format out, or use a network without that operation"
        ) from error


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
