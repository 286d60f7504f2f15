"""From records to each method's values: seeds, folds, and missing trials."""

import math
from dataclasses import replace
from statistics import fmean

import pandas as pd
import pytest

from bmis.errors import DataError
from bmis.metrics import METRICS
from bmis.records import Record, Trial, write_record
from bmis.report.results import read_results
from bmis.report.sections import overall_section, training_curves
from helpers.records import CONDITIONS, make_record, write_comparison


def with_ious(record, *values, ids=None):
    """A record whose images have these values of all metrics."""
    ids = list(ids or (f"case{i}" for i in range(len(values))))
    return replace(record, cases={"id": ids, **{m: list(values) for m in METRICS}})


def first_dataset(folder):
    return read_results(folder).datasets[0]


def row(dataset, method="bmis"):
    """What is known of a method on a data set."""
    return dataset.methods.set_index("method").loc[method]


def overall(folder):
    """The methods over all data sets, by name."""
    return overall_section(read_results(folder)).frames["overall"].set_index("method")


def test_seeds_are_averaged_image_by_image(tmp_path):
    write_record(tmp_path, with_ious(make_record(seed=0), 0.2, 0.6))
    write_record(tmp_path, with_ious(make_record(seed=1), 0.4, 0.7))
    dataset = first_dataset(tmp_path)
    assert dataset.quality["bmis"].to_dict() == pytest.approx({"case0": 0.3, "case1": 0.65})
    found = row(dataset)
    assert found["iou_n"] == 2
    assert found["iou"] == pytest.approx(0.475)
    assert found["iou_std"] == pytest.approx(0.35 / 2**0.5)
    assert found["iou_seed_std"] == pytest.approx(0.15 / 2**0.5)  # of 0.4 and 0.55


def test_the_mean_over_seeds_is_rounded_once(tmp_path):
    values = (0.1, 0.2, 0.3)
    for seed, value in enumerate(values):
        write_record(tmp_path, with_ious(make_record(seed=seed), value, value))
    assert set(first_dataset(tmp_path).quality["bmis"]) == {fmean(values)}


def test_folds_are_pooled_and_each_image_counts_once(tmp_path):
    for fold, values, ids in ((1, (0.1, 0.2, 0.3), "abc"), (2, (0.8,), "d")):
        write_record(tmp_path, with_ious(make_record(fold=fold), *values, ids=ids))
    found = row(first_dataset(tmp_path))
    assert found["iou"] == pytest.approx(1.4 / 4)
    assert found["iou_n"] == 4
    assert math.isnan(found["iou_seed_std"])


def test_an_undefined_value_takes_no_part(tmp_path):
    write_record(tmp_path, with_ious(make_record(seed=0), None, 0.6))
    write_record(tmp_path, with_ious(make_record(seed=1), None, 0.8))
    found = row(first_dataset(tmp_path))
    assert found["sensitivity_n"] == 1
    assert found["sensitivity"] == pytest.approx(0.7)


def test_a_method_without_a_fold_has_no_mean(tmp_path):
    for method, folds in (("bmis", (1, 2)), ("unet", (1,))):
        for fold in folds:
            record = with_ious(make_record(method, fold=fold), 0.5, 0.6, ids=f"{fold}xy"[:2])
            write_record(tmp_path, record)
    dataset = first_dataset(tmp_path)
    unet = row(dataset, "unet")
    assert math.isnan(unet["iou"])
    assert pd.isna(unet["iou_n"])
    assert unet["state"] == "1 of 2 trials missing"
    assert list(dataset.methods["method"]) == ["bmis", "unet"]
    assert list(dataset.quality) == ["bmis"]


def test_failed_and_missing_trials_are_kept_apart(tmp_path):
    results = read_results(write_comparison(tmp_path))
    lacking = results.trials[results.trials["status"] != "done"]
    columns = ["method", "dataset", "seed", "status", "reason"]
    assert set(lacking[columns].itertuples(index=False, name=None)) == {
        ("unet", "polyps", 1, "failed", "out of memory"),
        ("lv_unet", "lesions", 1, "missing", ""),
    }
    assert [results.count(status) for status in ("done", "failed", "missing")] == [14, 1, 1]
    lesions, polyps = results.datasets
    assert row(polyps, "unet")["state"] == "1 of 2 trials failed (out of memory)"
    assert row(lesions, "lv_unet")["state"] == "1 of 2 trials missing"
    assert "unet" in polyps.quality  # seed 0 was scored on all images


def test_a_method_that_lacks_a_single_trial_has_no_overall_value(tmp_path):
    found = overall(write_comparison(tmp_path))
    assert found.loc[["unet", "lv_unet"], "iou"].isna().all()
    mean = sum(row(dataset)["iou"] for dataset in read_results(tmp_path).datasets) / 2
    assert found.loc["bmis", "iou"] == pytest.approx(mean)
    assert found.loc["unet", "state"] == "polyps: 1 of 2 trials failed (out of memory)"


def test_costs_are_medians_and_an_epoch_needs_all_data_sets(tmp_path):
    for seed, seconds in enumerate((2.0, 9.0, 4.0)):
        record = make_record(seed=seed)
        training = {**record.training, "seconds_per_epoch": seconds}
        write_record(tmp_path, replace(record, training=training))
    assert row(first_dataset(tmp_path))["seconds_per_epoch"] == 4.0
    other = make_record(dataset="lesions")
    write_record(tmp_path, replace(other, training={}))
    found = overall(tmp_path).loc["bmis"]
    assert math.isnan(found["seconds_per_epoch"])
    assert found["parameters"] == 874_951


def test_different_units_have_no_overall_distance(tmp_path):
    write_record(tmp_path, make_record())
    other = make_record(dataset="lesions")
    write_record(tmp_path, replace(other, data={**other.data, "unit": "mm"}))
    found = overall(tmp_path).loc["bmis"]
    assert math.isnan(found["hd95"])
    assert found["hd95_n"] == 0
    assert found["iou"] > 0


def test_a_method_that_failed_everywhere(tmp_path):
    write_record(tmp_path, Record(Trial("polyps", "bmis"), CONDITIONS, "failed", "no memory"))
    assert row(first_dataset(tmp_path))["state"] == "failed (no memory)"


def test_no_records(tmp_path):
    with pytest.raises(DataError, match="holds no records; run `bmis compare"):
        read_results(tmp_path)


@pytest.mark.parametrize("value", ["high", True, [1]])
def test_a_value_that_is_no_number(tmp_path, value):
    record = make_record(images=2)
    write_record(tmp_path, replace(record, cases={**record.cases, "iou": [value, 0.5]}))
    with pytest.raises(DataError, match=r"bmis on polyps, seed 0: 'iou' of its cases is missing"):
        read_results(tmp_path)


def test_ids_that_are_not_unique(tmp_path):
    record = make_record(images=2)
    write_record(tmp_path, replace(record, cases={**record.cases, "id": ["a", "a"]}))
    with pytest.raises(DataError, match="no unique ids"):
        read_results(tmp_path)


def test_different_images_in_one_fold(tmp_path):
    write_record(tmp_path, with_ious(make_record("bmis"), 0.5, 0.6))
    write_record(tmp_path, with_ious(make_record("unet"), 0.5, 0.6, 0.7))
    with pytest.raises(DataError, match="scored on different images, such as 'case2'"):
        read_results(tmp_path)


def test_control_characters_in_ids_become_question_marks(tmp_path):
    write_record(tmp_path, with_ious(make_record(), 0.5, ids=["a\nb"]))
    assert list(read_results(tmp_path).images["id"]) == ["a?b"]


def test_curves_are_means_where_all_trials_have_the_epoch(tmp_path):
    for seed, values in enumerate(([0.2, 0.4, 0.6], [0.4, 0.6])):
        log = [{"epoch": epoch, "val_iou": value} for epoch, value in enumerate(values, start=1)]
        write_record(tmp_path, make_record(seed=seed, training={"log": log}))
    curve = training_curves(first_dataset(tmp_path))["bmis"]
    assert curve.to_dict() == pytest.approx({1: 0.3, 2: 0.5})
