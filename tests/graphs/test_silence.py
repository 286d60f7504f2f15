"""What libraries say stays away from the answers that machines read."""

import logging
import os
import sys
import warnings

import pytest

from bmis.graphs.silence import silence, silence_stderr


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
