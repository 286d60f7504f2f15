"""What a reader is warned of; the other warnings are tested on whole pages in test_write.py."""

from dataclasses import replace

import pytest

from bmis.records import write_record
from bmis.report.caveats import warnings
from bmis.report.results import read_results
from helpers.records import make_record


def warned(folder, *changes):
    """Warnings about records of several methods, each with its own environment and recipe."""
    for name, (environment, recipe) in zip(("bmis", "unet", "mk_unet"), changes, strict=False):
        record = make_record(name)
        training = {**record.training, **({"recipe": recipe} if recipe else {})}
        changed = replace(
            record, environment={**record.environment, **environment}, training=training
        )
        write_record(folder, changed)
    return warnings(read_results(folder))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([({"source": "a"}, {}), ({"source": "b"}, {})], "code: a, b"),
        ([({"source": "a"}, {}), ({}, {})], "code: a, unknown"),
        ([({"threads": 2}, {}), ({"threads": 4}, {}), ({"threads": 4}, {})], "threads: 2, 4"),
        ([({}, {"clip": 1.0}), ({}, {"clip": 0.5})], "recipe clip: 0.5, 1.0"),
    ],
)
def test_records_of_other_code_threads_or_recipe_are_said(tmp_path, changes, said):
    (line,) = warned(tmp_path, *changes)
    assert line == (
        f"Trials were done with different code or settings ({said}): scores may differ for that "
        "reason alone."
    )


def test_records_that_say_nothing_of_their_code_are_read_without_a_word(tmp_path):
    assert warned(tmp_path, ({}, {}), ({"commit": "a"}, {}), ({"system": "other"}, {})) == []
