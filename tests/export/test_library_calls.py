"""What other libraries' exporters do is told in one line, and only that."""

import logging
import os
import sys
import warnings

import pytest

from bmis.errors import ConfigError, DataError, NoMemoryError
from bmis.export.library_calls import silence, silence_stderr, wrap_library_errors


def test_a_fault_is_one_line_with_the_first_words_of_the_library():
    said = r"cannot be written as a LiteRT model \(no kernel\); leave that format out"
    with pytest.raises(ConfigError, match=said), wrap_library_errors("a LiteRT model"):
        raise RuntimeError("\n no kernel \nand ten lines more")


def test_a_fault_without_words_is_named():
    with (
        pytest.raises(ConfigError, match=r"\(KeyError\(\)\)"),
        wrap_library_errors("an ONNX graph"),
    ):
        raise KeyError


def test_what_bmis_itself_says_stays_as_it_is():
    with pytest.raises(DataError, match="ours"), wrap_library_errors("an ONNX graph"):
        raise DataError("ours")


def test_too_little_memory_is_called_that():
    with (
        pytest.raises(NoMemoryError, match="to write a LiteRT model"),
        wrap_library_errors("a LiteRT model"),
    ):
        raise RuntimeError("std::bad_alloc")


def test_chatter_is_dropped(recwarn):
    with wrap_library_errors("an ONNX graph"):
        warnings.warn("old", stacklevel=1)
    assert not recwarn.list


def test_libraries_are_not_heard_and_hearing_comes_back(capsys, caplog):
    loud = logging.getLogger("foreign")
    with silence():
        sys.stdout.write("100 %\n")
        loud.warning("no CUDA")
        warnings.warn("old", stacklevel=1)
        loud.error("broken")  # errors are
    assert capsys.readouterr().out == ""
    assert [record.message for record in caplog.records] == ["broken"]
    loud.warning("again")
    sys.stdout.write("mine\n")
    assert caplog.records[-1].message == "again"
    assert capsys.readouterr().out == "mine\n"


def test_hearing_comes_back_after_a_fault():
    with pytest.raises(ValueError, match="x"), silence():
        raise ValueError("x")
    assert logging.root.manager.disable == 0


def test_what_is_said_beside_python_is_dropped_and_only_meanwhile(capfd):
    with silence_stderr():
        os.write(2, b"inside\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_stderr_comes_back_after_a_fault(capfd):
    with pytest.raises(KeyError), silence_stderr():
        raise KeyError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
