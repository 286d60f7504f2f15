"""What libraries say stays away from the answers that machines read."""

import logging
import sys
import warnings

import pytest

from bmis.graphs.silence import silence


def test_libraries_are_not_heard_and_hearing_comes_back(capsys, caplog):
    loud = logging.getLogger("some.library")
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
