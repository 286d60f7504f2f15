"""What a report warns of: data that differ between the trials of one data set."""

import numpy as np

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
    assert "bmis on polyps, seed 0 collapsed: in every image nothing is polyp." in collapsed
    assert "(empty, rightly: bmis 2 at most in a trial)" in empty
