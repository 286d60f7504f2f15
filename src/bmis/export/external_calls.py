"""Calls of other libraries: their output is silenced, and their errors become one line.

Libraries that write graphs log, warn and print, and raise errors of every kind. All calls of them
go through ``wrap_library_errors``. It silences what goes through Python; ``silence_stderr`` also
silences code in C++.
"""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from bmis.errors import BmisError, ConfigError, NoMemoryError, is_out_of_memory

_LONGEST = 200  # characters of a library's own message


@contextmanager
def wrap_library_errors(kind: str) -> Iterator[None]:
    """Silence a library that writes or runs a graph, and turn its errors into ours.

    Args:
        kind: What is written, such as "an ONNX graph".

    Raises:
        ConfigError: The library failed, by whatever error of its own.
        NoMemoryError: The memory does not suffice.

    Example:
        >>> with wrap_library_errors("an ONNX graph"):
        ...     raise RuntimeError("no such operator")
        Traceback (most recent call last):
        bmis.errors.ConfigError: this network cannot be written as an ONNX graph (no such ope...
    """
    try:
        with silence():
            yield
    except BmisError:
        raise
    except Exception as error:  # libraries raise errors of every kind
        if is_out_of_memory(error):
            raise NoMemoryError(f"not enough memory to write {kind}; use a smaller size") from error
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ConfigError(
            f"this network cannot be written as {kind} ({reason.strip()[:_LONGEST]}); "
            "leave that format out, or use a network without that operation"
        ) from error


@contextmanager
def silence() -> Iterator[None]:
    """Drop warnings and logs below errors, and keep what is printed off standard output.

    What is printed goes to stderr where that is a terminal, and nowhere otherwise. Standard output
    holds the answer of the command, which programs read.

    Example:
        >>> with silence():
        ...     print("converting ...")
    """
    before, handlers = logging.root.manager.disable, logging.root.handlers[:]
    elsewhere = sys.stderr if sys.stderr.isatty() else io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(elsewhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        logging.root.handlers[:] = handlers  # a library's own would say again what bmis says


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Drop what the process writes to stderr, libraries in C++ included.

    Use it only while no progress bar is shown, because it would be cut off.

    Example:
        >>> with silence_stderr():
        ...     _ = os.write(2, b"from C++")
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
