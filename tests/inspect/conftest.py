"""Fixtures of the tests of ``bmis.inspect``."""

import pytest

from bmis.data.cases import Case
from helpers.folders import save


@pytest.fixture
def make_case(tmp_path):
    """A case from pixels and raw masks, written to disk."""

    def made(name, pixels, *masks, split="train"):
        image = save(tmp_path / f"{name}.png", pixels)
        files = [save(tmp_path / f"{name}_m{i}.png", raw) for i, raw in enumerate(masks)]
        return Case(name, image, tuple(files), split)

    return made
