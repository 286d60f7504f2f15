"""Masks that ``dataset.yaml`` makes readable where they are: grey ones, and classes from one."""

import numpy as np
import pytest

from bmis import evaluate_model, inspect_dataset, open_dataset, train_model
from bmis.data.cases import load_case
from bmis.data.coding import MaskRules
from bmis.data.images import read_mask
from bmis.data.scan import foreground_values
from bmis.errors import DataError
from bmis.importing.suggest import suggest_import
from helpers.folders import save
from helpers.tiny import config, write_dataset


def rewrite(root, change, suffix=".png", **options):
    """Write all masks anew; their labels as they were, by the name of the file."""
    labels = {}
    for file in sorted((root / "masks").iterdir()):
        labels[file.stem] = (read_mask(file) > 0).astype(np.uint8)
        file.unlink()
        save(file.with_suffix(suffix), change(labels[file.stem]), **options)
    return labels


def in_colours(labels):
    return np.repeat((labels * 255)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("change", [in_colours, lambda labels: labels * np.uint8(255)])
def test_masks_in_jpeg_are_read_by_a_threshold(dataset, tmp_path, change):
    labels = rewrite(dataset, change, ".jpg", quality=60)
    assert "`mask_threshold: 128` into dataset.yaml, or `bmis import" in suggest_import(dataset)
    with pytest.raises(DataError, match=r"write `mask_threshold: 128` into dataset\.yaml"):
        open_dataset(dataset)
    (dataset / "dataset.yaml").write_text("mask_threshold: 128")
    opened = open_dataset(dataset)
    for case in opened.cases:
        np.testing.assert_array_equal(load_case(case, opened)[1], labels[case.id])
    found = inspect_dataset(dataset)
    assert (found.problems, found.suggestion) == ((), None)
    assert "pixels are grey, in 6 of 6 masks" in found.masks[1]
    run = train_model(config(dataset, epochs=1), out=tmp_path / "run", page=False).run
    assert len(evaluate_model(run).cases) == 1


def test_classes_from_one_are_read_by_their_first(tmp_path):
    root = write_dataset(tmp_path / "data")
    labels = rewrite(
        root, lambda labels: 1 + labels * (1 + (labels.cumsum(0) > 3).astype(np.uint8))
    )
    assert "write `first_class: 1` into dataset.yaml, or `bmis import" in suggest_import(root)
    (root / "dataset.yaml").write_text("first_class: 1")
    opened = open_dataset(root)
    assert opened.num_classes == 3
    for case in opened.cases:
        np.testing.assert_array_equal(load_case(case, opened)[1] > 0, labels[case.id] > 0)
    found = inspect_dataset(root)
    assert (found.problems, found.suggestion) == ((), None)
    assert found.masks == ("the classes are numbered from 1, which is the background",)


def test_a_coloured_mask_stays_refused_where_there_is_a_threshold(dataset):
    rewrite(dataset, lambda labels: in_colours(labels) * np.array([1, 0, 0], np.uint8))
    (dataset / "dataset.yaml").write_text("mask_threshold: 128")
    with pytest.raises(DataError, match="a mask in colours"):
        open_dataset(dataset)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [(MaskRules(first=1), {1, 2}), (MaskRules(threshold=3), {1}), (MaskRules(threshold=9), set())],
)
def test_splits_are_stratified_by_what_is_foreground_as_declared(tmp_path, rules, expected):
    mask = save(tmp_path / "a.png", np.array([[1, 2], [3, 1]], np.uint8))
    assert foreground_values([mask], rules) == expected
