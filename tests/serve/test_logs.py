"""The log holds nothing that could be of a patient."""

import io
import json
import logging
import sys

import pytest

from bmis.serve.logs import set_up_logs


@pytest.fixture
def lines(monkeypatch):
    """Gives what was logged since."""
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(sys, "stderr", stream)
    set_up_logs()
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("name", ["tifffile", "PIL.PngImagePlugin", "python_multipart", "pydicom"])
def test_what_readers_of_files_say_is_not_logged(lines, name):
    logging.getLogger(name).error("<TiffTag 315 Artist 'Doe^Jane'>")
    assert lines() == []


def test_of_an_error_of_the_server_the_first_line_is_logged(lines):
    words = "Task exception was never retrieved"
    logging.getLogger("asyncio").error(f"{words}\nexception=ValueError('Doe^Jane')")
    (line,) = lines()
    assert (line["event"], line["level"]) == (words, "error")


def test_what_we_say_is_logged(lines):
    logging.getLogger("bmis.serve.access").info("request", extra={"fields": {"status": 200}})
    assert lines()[0]["status"] == 200
