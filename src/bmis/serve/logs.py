"""The log of a service: a line of JSON for each event, on stderr."""

import json
import logging
import sys
from datetime import UTC, datetime

# what others log may hold names and contents of files, such as tags of a TIFF
_HEARD = ("bmis", "uvicorn", "asyncio")
_QUIET = ("uvicorn.access", "asyncio")


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Example:
        >>> record = logging.makeLogRecord({"msg": "request", "fields": {"status": 200}})
        >>> json.loads(JsonLines().format(record))["status"]
        200
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage().partition("\n")[0],  # below it asyncio has words of errors
            **getattr(record, "fields", {}),
        }
        return json.dumps(fields)


def set_up_logs() -> None:
    """Send what bmis and the server say to stderr as lines of JSON, and nothing that others say.

    Example:
        >>> set_up_logs()
        >>> logging.getLogger("bmis").propagate
        True
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: record.name.partition(".")[0] in _HEARD)
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.INFO
    logging.getLogger("bmis").handlers = []
    logging.getLogger("bmis").setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
