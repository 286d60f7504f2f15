import json
import os
from dataclasses import replace

import pytest

from bmis.errors import ConfigError, DataError
from bmis.records import Conditions, Record, Trial, read_record, read_records, write_record
from helpers.records import CONDITIONS, make_record, write_comparison


def test_a_record_comes_back_as_it_was_written(tmp_path):
    record = make_record(fold=2, seed=1)
    path = write_record(tmp_path, record)
    assert path == tmp_path / "polyps" / "bmis-fold2-seed1.json"
    assert read_record(path) == record
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_names_that_are_no_text_are_kept_apart(tmp_path):
    odd = [os.fsdecode(name) for name in (b"caf\xe9", b"caf\xe8")]
    record = make_record()
    trials = [replace(record.trial, dataset=name) for name in odd]
    paths = [write_record(tmp_path, replace(record, trial=trial)) for trial in trials]
    assert len(set(paths)) == 2
    assert [read_record(path).trial.dataset for path in paths] == [r"caf\udce9", r"caf\udce8"]


def test_records_are_read_in_one_order_wherever_they_lie(tmp_path):
    write_comparison(tmp_path / "a", datasets=("polyps",))
    write_comparison(tmp_path / "b" / "deeper", datasets=("lesions",))
    trials = [record.trial for record in read_records(tmp_path)]
    assert trials == sorted(trials, key=lambda trial: (trial.dataset, trial.method, trial.seed))
    assert trials[0] == Trial("lesions", "bmis", None, 0)
    assert len(trials) == 14


def test_values_are_those_of_the_cases():
    record = make_record(images=2)
    assert record.values("iou") == dict(zip(["case00", "case01"], record.cases["iou"], strict=True))


@pytest.mark.parametrize(
    "methods", [("a/b", "a-b"), ("m:x=1", "m:x=2"), ("..", "."), ("A b", "A-b")]
)
def test_other_methods_get_other_files_and_none_outside(tmp_path, methods):
    paths = {write_record(tmp_path, make_record(method)) for method in methods}
    assert len(paths) == 2
    assert {path.parent for path in paths} == {tmp_path / "polyps"}
    assert {read_record(path).trial.method for path in paths} == set(methods)


def damage(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "a record of version 2, this bmis reads version 1"),
        ({"format": "other"}, "no record of `bmis compare`"),
        ({"surprise": 1}, "damaged record .*unknown setting 'surprise'"),
        ({"status": "half"}, "damaged record .*unknown status 'half'"),
        ({"trial": 7}, "damaged record .*trial must be names"),
        ({"trial": {"dataset": "x"}}, "damaged record .*method"),
        ({"cases": {}}, "damaged record .*needs cases"),
        ({"cases": {"id": ["a"], "iou": []}}, "damaged record .*differ in length"),
        ({"cases": {"id": 3}}, "damaged record .*cases must be names with lists of values"),
        ({"cases": 3}, "damaged record .*cases must be names with lists of values, got 3"),
        ({"masks": {"a": 7}}, r"damaged record .*masks must hold text, got"),
        ({"costs": []}, "damaged record .*costs must be"),
        ({"trial": {"dataset": "x", "method": "y", "seed": "0"}}, "damaged record .*seed must be"),
        ({"conditions": {**CONDITIONS.to_dict(), "epochs": 0}}, "damaged record .*epochs"),
    ],
)
def test_a_damaged_record_is_named_in_one_line(tmp_path, changes, message):
    path = write_record(tmp_path, make_record())
    damage(path, **changes)
    with pytest.raises(DataError, match=message) as error:
        read_records(tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b'{"format": "bmis-rec', b"\xff\xfe", b"[" * 99999, b'{"a": NaN}']
)
def test_a_half_written_record_says_how_to_get_it_back(tmp_path, content):
    path = write_record(tmp_path, make_record())
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"half-written or no record .*.* compare"):
        read_records(tmp_path)
    assert path.read_bytes() == content


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(2**27)
    with pytest.raises(DataError, match="has more than 67108864 bytes"):
        read_records(tmp_path)


def test_two_records_of_a_trial_that_disagree_are_refused(tmp_path):
    write_record(tmp_path / "a", make_record())
    other = make_record()
    other.cases["iou"][0] = 0.123
    write_record(tmp_path / "b", other)
    with pytest.raises(DataError, match=r"a/.* and .*b/.*: two records of bmis on.* disagree"):
        read_records(tmp_path)


def test_two_records_of_a_trial_that_agree_are_one(tmp_path):
    write_record(tmp_path / "a", make_record())
    later = replace(make_record(), created="2026-02-02T00:00:00+00:00")
    write_record(tmp_path / "b", later)
    assert read_records(tmp_path) == [later]


@pytest.mark.parametrize("folders", [("a", "b"), ("b", "a")])
def test_of_a_trial_that_failed_once_the_one_done_counts(tmp_path, folders):
    failed = Record(make_record().trial, CONDITIONS, "failed", "x", created="2027-01-01T00:00:00")
    write_record(tmp_path / folders[0], failed)
    write_record(tmp_path / folders[1], make_record())
    assert [record.status for record in read_records(tmp_path)] == ["done"]


def test_other_conditions_and_other_splits_do_not_mix(tmp_path):
    write_record(tmp_path, make_record())
    other = replace(CONDITIONS, epochs=4)
    write_record(tmp_path, make_record("unet", conditions=other))
    with pytest.raises(DataError, match=r"different conditions \(recipe fast, 3 epochs, 64x64"):
        read_records(tmp_path)
    data = {**make_record().data, "fingerprint": "other"}
    write_record(tmp_path, make_record("unet", data=data))
    with pytest.raises(DataError, match="different splits of polyps"):
        read_records(tmp_path)


def test_work_in_progress_is_left_alone(tmp_path):
    (tmp_path / ".work" / "x").mkdir(parents=True)
    (tmp_path / ".work" / "x" / "environment.json").write_text("{}")
    assert read_records(tmp_path) == []
    with pytest.raises(DataError, match="no such folder"):
        read_records(tmp_path / "nowhere")


def test_conditions_are_checked():
    with pytest.raises(ConfigError, match="epochs must be 1 or more, got 0"):
        Conditions(epochs=0)
    with pytest.raises(ConfigError, match="unknown resize"):
        Conditions(resize="stretch")
