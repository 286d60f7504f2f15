"""Fixtures for all; stands here also so that pytest finds ``fakes``, ``folders``, ``tiny``."""

import logging

import pytest
import torch

from bmis.models import registry
from helpers.tiny import write_dataset


@pytest.fixture
def dataset(tmp_path):
    """Four images to train on, one to validate, one to test, 32 x 32, RGB, two classes."""
    return write_dataset(tmp_path / "data")


@pytest.fixture(autouse=True)
def _networks(monkeypatch):
    """What a test registers, the next test must not find."""
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


@pytest.fixture(autouse=True)
def _logs():
    """Where a service of a test logs to, the next test must not log to."""
    before, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in set(logging.root.handlers) - set(before):
        logging.root.removeHandler(handler)
    logging.root.setLevel(level)


@pytest.fixture(autouse=True)
def _switches():
    """What a deterministic training turns on, the next test must not inherit."""
    torch.manual_seed(0)
    before = torch.are_deterministic_algorithms_enabled()
    yield
    if torch.are_deterministic_algorithms_enabled() != before:  # loads more of torch, so only then
        torch.use_deterministic_algorithms(before)
