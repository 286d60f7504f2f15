"""What a reader is warned of; the other warnings are tested on whole pages in test_write.py."""

from dataclasses import replace

import numpy as np
import pytest

from bmis.metrics import score_case, summarise_cases
from bmis.records import write_record
from bmis.report.caveats import warnings
from bmis.report.results import read_results
from helpers.records import make_record

CONTENT = {"images": "a1", "masks": "b2"}


def report(folder, *contents):
    """The warnings of a report on one method per content; None is a record without one."""
    for seed, content in enumerate(contents):
        record = make_record(seed=seed)
        if content is not None:
            record.data["content"] = content
        write_record(folder, record)
    return warnings(read_results(folder))


def test_records_of_one_content_or_of_none_give_no_warning(tmp_path):
    assert report(tmp_path / "new", CONTENT, CONTENT) == []
    assert report(tmp_path / "old", None, None) == []


def test_records_of_different_masks_are_warned_of(tmp_path):
    (warning,) = report(tmp_path, CONTENT, CONTENT | {"masks": "c3"})
    assert warning == "Trials on polyps saw different masks: their scores do not compare."


def test_what_records_of_an_earlier_version_saw_is_not_known(tmp_path):
    (warning,) = report(tmp_path, CONTENT, None)
    assert "of an earlier bmis" in warning
    assert "is not known" in warning


def test_a_content_of_an_odd_type_stops_nothing(tmp_path):
    assert len(report(tmp_path, CONTENT, ["odd"])) == 1


def test_collapsed_networks_and_images_that_are_rightly_empty_are_counted(tmp_path):
    truth = np.zeros((8, 8), np.uint8)
    masks = [truth, truth, truth.copy()]
    masks[2][2:5, 2:5] = 1
    summary = summarise_cases([score_case(truth, t, 2) for t in masks], ["background", "polyp"])
    write_record(tmp_path, make_record(summary=summary))
    collapsed, empty = warnings(read_results(tmp_path))
    assert "bmis on polyps, seed 0 collapsed: it finds no polyp in any image." in collapsed
    assert "(correctly empty: bmis 2 at most in a trial)" in empty


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


def test_networks_that_start_from_imagenet_are_named_beside_others(tmp_path):
    for name, start in (("bmis", "none"), ("unet", None), ("mk_unet", "imagenet")):
        record = make_record(name)
        if start:
            record.model["weights"] = start
        write_record(tmp_path, record)
    (line,) = warnings(read_results(tmp_path))
    assert line.startswith("Some networks start from trained weights (from ImageNet: mk_unet), the")


def test_records_that_say_nothing_of_their_code_are_read_without_a_word(tmp_path):
    assert warned(tmp_path, ({}, {}), ({"commit": "a"}, {}), ({"system": "other"}, {})) == []
