"""From records to each method's values: seeds, folds, and what is lacking."""

from dataclasses import replace

import pytest

from bmis.errors import DataError
from bmis.metrics import METRICS
from bmis.records import Record, Trial, write_record
from bmis.report.results import read_field
from bmis.report.rows import overall_lines, panel_lines
from helpers.records import CONDITIONS, make_record, write_comparison


def with_ious(record, *values, ids=None):
    """A record whose images have these values of all metrics."""
    ids = list(ids or (f"case{i}" for i in range(len(values))))
    return replace(record, cases={"id": ids, **{m: list(values) for m in METRICS}})


def entry(folder, method="bmis"):
    return read_field(folder).panels[0].entries[method]


def test_seeds_are_averaged_image_by_image(tmp_path):
    write_record(tmp_path, with_ious(make_record(seed=0), 0.2, 0.6))
    write_record(tmp_path, with_ious(make_record(seed=1), 0.4, 0.7))
    found = entry(tmp_path)
    assert found.images["iou"] == pytest.approx({"case0": 0.3, "case1": 0.65})
    assert found.summary["iou"].n == 2
    assert found.mean() == pytest.approx(0.475)
    assert found.summary["iou"].std == pytest.approx(0.35 / 2**0.5)
    assert found.seed_std["iou"] == pytest.approx(0.15 / 2**0.5)  # of 0.4 and 0.55


def test_folds_are_pooled_and_each_image_counts_once(tmp_path):
    for fold, values, ids in ((1, (0.1, 0.2, 0.3), "abc"), (2, (0.8,), "d")):
        write_record(tmp_path, with_ious(make_record(fold=fold), *values, ids=ids))
    found = entry(tmp_path)
    assert found.mean() == pytest.approx(1.4 / 4)
    assert found.summary["iou"].n == 4
    assert found.seed_std["iou"] is None


def test_an_undefined_value_takes_no_part(tmp_path):
    write_record(tmp_path, with_ious(make_record(seed=0), None, 0.6))
    write_record(tmp_path, with_ious(make_record(seed=1), None, 0.8))
    summary = entry(tmp_path).summary["sensitivity"]
    assert (summary.n, summary.undefined) == (1, 1)
    assert summary.mean == pytest.approx(0.7)


def test_a_method_without_a_fold_has_no_mean(tmp_path):
    for method, folds in (("bmis", (1, 2)), ("unet", (1,))):
        for fold in folds:
            record = with_ious(make_record(method, fold=fold), 0.5, 0.6, ids=f"{fold}xy"[:2])
            write_record(tmp_path, record)
    lacking = entry(tmp_path, "unet")
    assert (lacking.mean(), lacking.scored, lacking.complete) == (None, False, False)
    assert lacking.state == "1 of 2 trials missing"
    assert [line.method for line in panel_lines(read_field(tmp_path).panels[0])] == ["bmis", "unet"]


def test_failed_and_missing_trials_are_told_apart(tmp_path):
    field = read_field(write_comparison(tmp_path))
    reasons = {str(lack.trial): lack.reason for lack in field.lacks}
    assert reasons == {
        "unet on polyps, seed 1": "out of memory",
        "lv_unet on lesions, seed 1": None,
    }
    lesions, polyps = field.panels
    assert polyps.entries["unet"].state == "1 of 2 trials failed (out of memory)"
    assert lesions.entries["lv_unet"].state == "1 of 2 trials missing"
    assert polyps.entries["unet"].scored  # seed 0 judged all images


def test_who_lacks_a_single_trial_has_no_overall_value(tmp_path):
    lines = {line.method: line for line in overall_lines(read_field(write_comparison(tmp_path)))}
    assert not lines["unet"].summary
    assert not lines["lv_unet"].summary
    panels = read_field(tmp_path).panels
    mean = sum(panel.entries["bmis"].mean() for panel in panels) / 2
    assert lines["bmis"].summary["iou"].mean == pytest.approx(mean)
    assert lines["unet"].state == "polyps: 1 of 2 trials failed (out of memory)"


def test_costs_are_medians_and_an_epoch_needs_all_data_sets(tmp_path):
    for seed, seconds in enumerate((2.0, 9.0, 4.0)):
        record = make_record(seed=seed)
        training = {**record.training, "seconds_per_epoch": seconds}
        write_record(tmp_path, replace(record, training=training))
    assert entry(tmp_path).costs["seconds_per_epoch"] == 4.0
    other = make_record(dataset="lesions")
    write_record(tmp_path, replace(other, training={}))
    (line,) = overall_lines(read_field(tmp_path))
    assert line.costs["seconds_per_epoch"] is None
    assert line.costs["parameters"] == 874_951


def test_different_units_have_no_overall_distance(tmp_path):
    write_record(tmp_path, make_record())
    other = make_record(dataset="lesions")
    write_record(tmp_path, replace(other, data={**other.data, "unit": "mm"}))
    (line,) = overall_lines(read_field(tmp_path))
    assert line.summary["hd95"].mean is None
    assert line.summary["iou"].mean is not None


def test_a_method_that_failed_everywhere(tmp_path):
    write_record(tmp_path, Record(Trial("polyps", "bmis"), CONDITIONS, "failed", "no memory"))
    assert entry(tmp_path).state == "failed (no memory)"


def test_no_records(tmp_path):
    with pytest.raises(DataError, match="holds no records; run `bmis compare"):
        read_field(tmp_path)


@pytest.mark.parametrize("value", ["high", True, [1]])
def test_a_value_that_is_no_number(tmp_path, value):
    record = make_record(images=2)
    write_record(tmp_path, replace(record, cases={**record.cases, "iou": [value, 0.5]}))
    with pytest.raises(DataError, match=r"bmis on polyps, seed 0: 'iou' of its cases is missing"):
        read_field(tmp_path)


def test_ids_that_are_not_unique(tmp_path):
    record = make_record(images=2)
    write_record(tmp_path, replace(record, cases={**record.cases, "id": ["a", "a"]}))
    with pytest.raises(DataError, match="no ids of their own"):
        read_field(tmp_path)


def test_different_images_in_one_fold(tmp_path):
    write_record(tmp_path, with_ious(make_record("bmis"), 0.5, 0.6))
    write_record(tmp_path, with_ious(make_record("unet"), 0.5, 0.6, 0.7))
    with pytest.raises(DataError, match="judged different images, such as 'case2'"):
        read_field(tmp_path)
