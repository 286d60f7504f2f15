"""The log of a node. No name, number, date or UID of a patient, study or object is in it."""

import logging
import traceback

_log = logging.getLogger(__name__)


def log(event: str, *, level: int = logging.INFO, **fields: object) -> None:
    """Log an event.

    Args:
        event: What happened, in a few words that are always the same.
        level: Level of ``logging``.
        fields: Facts; series and objects by their ``digest``.

    Example:
        >>> log("object", peer="CT1", series="c47f5b18")
    """
    _log.log(level, event, extra={"fields": fields})


def log_error(error: BaseException) -> None:
    """Log where an error came from, without its words, which may be of a header.

    Example:
        >>> log_error(ValueError("Doe^Jane"))
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.name}:{frame.lineno}" for frame in frames]
    log("failed", level=logging.ERROR, error=type(error).__name__, where=where)
