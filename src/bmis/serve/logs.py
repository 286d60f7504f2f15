"""The log of a service: a line of JSON for each event, on stderr."""

import json
import logging
import sys
from datetime import UTC, datetime

_QUIET = {
    "uvicorn.access": logging.WARNING,
    "asyncio": logging.WARNING,
    "python_multipart": logging.CRITICAL,  # it logs what clients wrote
}


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
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        return json.dumps(fields)


def set_up_logs() -> None:
    """Send what bmis and the server say to stderr as lines of JSON.

    Example:
        >>> set_up_logs()
        >>> logging.getLogger("bmis").propagate
        True
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers, root.level = [handler], logging.INFO
    logging.getLogger("bmis").handlers = []
    logging.getLogger("bmis").setLevel(logging.INFO)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
