"""Errors of other libraries become one line, and their output is silenced."""

import logging
import os
import sys
import warnings

import pytest

from bmis.errors import ConfigError, DataError, NoMemoryError
from bmis.export.external_calls import silence, silence_stderr, wrap_library_errors


def test_an_error_is_one_line_with_the_first_line_of_the_library():
    message = r"cannot be written as a LiteRT model \(no kernel\); leave that format out"
    with pytest.raises(ConfigError, match=message), wrap_library_errors("a LiteRT model"):
        raise RuntimeError("\n no kernel \nand ten lines more")


def test_an_error_without_a_message_is_named():
    with (
        pytest.raises(ConfigError, match=r"\(KeyError\(\)\)"),
        wrap_library_errors("an ONNX graph"),
    ):
        raise KeyError


def test_errors_of_bmis_itself_stay_as_they_are():
    with pytest.raises(DataError, match="ours"), wrap_library_errors("an ONNX graph"):
        raise DataError("ours")


def test_lack_of_memory_is_an_error_of_its_own():
    with (
        pytest.raises(NoMemoryError, match="to write a LiteRT model"),
        wrap_library_errors("a LiteRT model"),
    ):
        raise RuntimeError("std::bad_alloc")


def test_warnings_are_dropped(recwarn):
    with wrap_library_errors("an ONNX graph"):
        warnings.warn("old", stacklevel=1)
    assert not recwarn.list


def test_output_is_silenced_inside_the_block_only(capsys, caplog):
    loud = logging.getLogger("library")
    with silence():
        sys.stdout.write("100 %\n")
        loud.warning("no CUDA")
        warnings.warn("old", stacklevel=1)
        loud.error("broken")  # errors pass
    assert capsys.readouterr().out == ""
    assert [record.message for record in caplog.records] == ["broken"]
    loud.warning("again")
    sys.stdout.write("mine\n")
    assert caplog.records[-1].message == "again"
    assert capsys.readouterr().out == "mine\n"


def test_logs_come_back_after_an_error():
    with pytest.raises(ValueError, match="x"), silence():
        raise ValueError("x")
    assert logging.root.manager.disable == 0


def test_output_from_outside_python_is_dropped_inside_the_block_only(capfd):
    with silence_stderr():
        os.write(2, b"inside\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_stderr_comes_back_after_an_error(capfd):
    with pytest.raises(KeyError), silence_stderr():
        raise KeyError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
