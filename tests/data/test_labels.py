"""From stored values to class numbers, and the errors of values that are no class."""

from pathlib import Path

import numpy as np
import pytest

from bmis.data.labels import class_names, count_classes, legal, to_labels, value_counts
from bmis.errors import DataError

FILE = Path("m.png")


def mask(*values, kind=np.uint8):
    return np.array([values, values[::-1]], kind)


@pytest.mark.parametrize(
    ("raw", "num_classes", "labels"),
    [
        (mask(0, 255, 0), 2, (0, 1, 0)),
        (mask(0, 1, 1), 2, (0, 1, 1)),
        (mask(255, 255, 255), 2, (1, 1, 1)),
        (mask(0, 0, 0), 2, (0, 0, 0)),
        (mask(0, 2, 1), 3, (0, 2, 1)),
        (mask(0, 63, 1, kind=np.uint16), 64, (0, 63, 1)),
    ],
)
def test_values_become_class_numbers(raw, num_classes, labels):
    found = to_labels(raw, num_classes, FILE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0], labels)


@pytest.mark.parametrize(
    ("values", "num_classes", "message"),
    [
        ((0, 1, 255), 2, "mask values 0 1 255, expected 0/1 or 0/255; 255 as 'ignore' is not"),
        ((0, 2, 1), 2, "mask values 0 1 2, expected 0/1 or 0/255; number the classes"),
        ((0, 3, 1), 3, "mask values 0 1 3, expected 0..2; number the classes"),
        ((0, 4, 9, 249, 253, 255), 2, "looks blurred, scaled or saved as JPEG: threshold it"),
        (range(0, 200, 10), 2, r"mask values 0 10 20 30 \.\.\. 170 180 190 \(20 values\)"),
    ],
)
def test_other_values_are_named_with_file_and_cure(values, num_classes, message):
    assert not legal(values, num_classes)
    with pytest.raises(DataError, match=f"^m.png: .*{message}"):
        to_labels(mask(*values), num_classes, FILE)


@pytest.mark.parametrize(
    ("masks", "count"),
    [
        ([(0, 1), (0,)], 2),
        ([(0, 255), (255,), (0, 1)], 2),
        ([(0, 1), (0, 2)], 3),
        ([(0, 1, 2, 3)], 4),
        ([(0,)], 2),
        ([tuple(range(64))], 64),
    ],
)
def test_classes_are_counted_over_all_masks(masks, count):
    assert count_classes((Path(f"{i}.png"), v) for i, v in enumerate(masks)) == count


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([(0, 255), (0, 128, 255)], "^1.png: mask values 0 128 255, expected 0/1, 0/255 or 0..K-1"),
        ([(0, 255), (0, 1, 2)], "^1.png: mask values 0 1 2, but 0.png has 0 and 255"),
        ([(0, 1), (0, 3)], "^1.png: mask values 0 1 3 leave out 2; number the classes"),
        ([(0, 100)], "^0.png: mask values 0 100, expected .*at most 64"),
    ],
)
def test_contradictory_values_are_refused(masks, message):
    with pytest.raises(DataError, match=message):
        count_classes((Path(f"{i}.png"), v) for i, v in enumerate(masks))


def test_counts_add_up_over_pieces():
    raw = np.zeros(2**21, np.uint8)
    raw[5::7] = 9
    assert value_counts(raw) == {0: raw.size - len(raw[5::7]), 9: len(raw[5::7])}
    assert value_counts(raw.astype(np.uint16) * 300) == {0: raw.size - len(raw[5::7]), 2700: 299593}


def test_default_class_names():
    assert class_names(2) == ("background", "foreground")
    assert class_names(3) == ("background", "class 1", "class 2")
