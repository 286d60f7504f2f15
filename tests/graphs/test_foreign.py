"""What other libraries' exporters do is told in one line, and only that."""

import warnings

import pytest

from bmis.errors import ConfigError, DataError, NoMemoryError
from bmis.graphs.foreign import foreign


def test_a_fault_is_one_line_with_the_first_words_of_the_library():
    said = r"cannot be written as a LiteRT model \(no kernel\); leave that format out"
    with pytest.raises(ConfigError, match=said), foreign("a LiteRT model"):
        raise RuntimeError("\n no kernel \nand ten lines more")


def test_a_fault_without_words_is_named():
    with pytest.raises(ConfigError, match=r"\(KeyError\(\)\)"), foreign("an ONNX graph"):
        raise KeyError


def test_what_bmis_itself_says_stays_as_it_is():
    with pytest.raises(DataError, match="ours"), foreign("an ONNX graph"):
        raise DataError("ours")


def test_too_little_memory_is_called_that():
    with pytest.raises(NoMemoryError, match="to write a LiteRT model"), foreign("a LiteRT model"):
        raise RuntimeError("std::bad_alloc")


def test_chatter_is_dropped(recwarn):
    with foreign("an ONNX graph"):
        warnings.warn("old", stacklevel=1)
    assert not recwarn.list
