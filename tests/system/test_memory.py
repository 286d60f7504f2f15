"""A limit is kept by the system, lifted again, and refused where it cannot be kept."""

import resource
import sys

import numpy as np
import pytest

import bmis.system.memory
from bmis.errors import ConfigError
from bmis.system.memory import _taken, memory_limit

MEGABYTE = 2**20


@pytest.fixture
def before():
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    yield limits
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits


def test_who_asks_for_more_gets_nothing(before):
    with memory_limit(_taken() + 100):
        assert np.ones(10 * MEGABYTE, np.uint8).all()
        with pytest.raises(MemoryError):
            np.ones(4000 * MEGABYTE, np.uint8)  # more than what is free in the heap of any test
    assert len(np.ones(200 * MEGABYTE, np.uint8))


def test_it_is_lifted_after_an_error_too(before):
    with pytest.raises(KeyError), memory_limit(_taken() + 100):
        raise KeyError


def test_none_is_no_limit(before):
    with memory_limit(None):
        assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize("more", [-10000, -1])
def test_a_limit_that_leaves_too_little_is_refused(before, monkeypatch, more):
    monkeypatch.setattr(bmis.system.memory, "_taken", lambda: 500)
    wanted = f"of {564 + more} MB is too low, 500 MB are taken before .*; give 564 or more"
    with pytest.raises(ConfigError, match=wanted), memory_limit(564 + more):
        pass


def test_other_systems_say_that_they_cannot(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match="needs Linux, this is darwin"), memory_limit(1000):
        pass
