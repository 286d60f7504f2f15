"""The tree of errors, suggestions, and the answer to a package that is not there."""

import sys

import pytest

from bmis import errors
from bmis.errors import (
    BmisError,
    MissingExtraError,
    did_you_mean,
    is_out_of_memory,
    require,
)


def test_one_base_catches_everything_raised_on_purpose():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) >= 7
    assert all(issubclass(kind, BmisError) for kind in kinds)


def test_a_near_name_is_suggested_before_all_are_listed():
    assert did_you_mean("papre", ["default", "paper"]) == (
        " (did you mean 'paper'?); available: default, paper"
    )
    assert did_you_mean("zzz", (name for name in ("a", "b"))) == "; available: a, b"


def test_what_is_there_is_imported():
    assert require("json.decoder", extra="train") is sys.modules["json.decoder"]


@pytest.mark.parametrize("module", ["torchless", "torchless.below.it"])
def test_what_is_missing_gets_the_install_line(module):
    message = r'^torchless is needed for this; install it with: pip install "bmis\[train\]"$'
    with pytest.raises(MissingExtraError, match=message):
        require(module, extra="train")


def test_a_package_that_is_broken_inside_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "halfthere.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        require("halfthere", extra="train")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Failed to allocate memory for requested buffer of size 12"),
        ImportError("std::bad_alloc"),
        OSError("failed to map segment from shared object"),
    ],
)
def test_memory_that_ran_out_is_recognised_in_the_words_of_all_libraries(error):
    assert is_out_of_memory(error)


def test_other_errors_are_not_taken_for_missing_memory():
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
