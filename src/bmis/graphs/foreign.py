"""Calls of libraries that write graphs: their chatter kept away, their faults told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from bmis.errors import BmisError, ConfigError, NoMemoryError, says_no_memory
from bmis.graphs.silence import silence


@contextmanager
def foreign(kind: str) -> Iterator[None]:
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
        if says_no_memory(error):
            raise NoMemoryError(f"not enough memory to write {kind}; use a smaller size") from error
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ConfigError(
            f"this network cannot be written as {kind} ({reason.strip()[:200]}); "
            "leave that format out, or use a network without that operation"
        ) from error
