"""From stored values to class numbers, and the errors of values that are no class."""

from pathlib import Path

import numpy as np
import pytest

from bmis.data.coding import Coding, MaskRules
from bmis.data.labels import class_names, find_coding, to_labels, value_counts
from bmis.errors import DataError

FILE = Path("m.png")


def named(masks):
    return [(Path(f"{i}.png"), values) for i, values in enumerate(masks)]


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
    found = to_labels(raw, Coding(num_classes), FILE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0], labels)


@pytest.mark.parametrize(
    ("values", "num_classes", "message"),
    [
        ((0, 1, 255), 2, "mask values 0 1 255, expected 0/1 or 0/255; if 255 marks pixels that"),
        ((0, 2, 1), 2, "mask values 0 1 2, expected 0/1 or 0/255; number the classes"),
        ((0, 3, 1), 3, "mask values 0 1 3, expected 0..2; number the classes"),
        (
            (0, 4, 9, 249, 253, 255),
            2,
            "looks blurred, scaled or saved as JPEG: write .mask_threshold: 128",
        ),
        (range(0, 200, 10), 2, r"mask values 0 10 20 30 \.\.\. 170 180 190 \(20 values\)"),
    ],
)
def test_other_values_are_named_with_file_and_cure(values, num_classes, message):
    assert not Coding(num_classes).allows(values)
    with pytest.raises(DataError, match=f"^m.png: .*{message}"):
        to_labels(mask(*values), Coding(num_classes), FILE)


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
    assert find_coding(named(masks)) == Coding(count)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([(0, 255), (0, 128, 255)], "^1.png: mask values 0 128 255, expected 0/1, 0/255 or 0..K-1"),
        ([(0, 255), (0, 1, 2)], "^1.png: mask values 0 1 2, but 0.png has 0 and 255"),
        ([(0, 1), (0, 3)], "^1.png: mask values 0 1 3 leave out 2; number the classes"),
        ([(0, 100, 101)], "^0.png: mask values 0 100 101, expected .*at most 64"),
        ([(100,)], "^0.png: mask values 100, expected"),
        ([(0, 255), (0, 128)], "^1.png: mask values 0 128, but 0.png has 0 and 255"),
        ([(0, 128), (0, 1, 2)], "^1.png: mask values 0 1 2, but 0.png has 0 and 128"),
    ],
)
def test_contradictory_values_are_refused(masks, message):
    with pytest.raises(DataError, match=message):
        find_coding(named(masks))


def test_counts_add_up_over_pieces():
    raw = np.zeros(2**21, np.uint8)
    raw[5::7] = 9
    assert value_counts(raw) == {0: raw.size - len(raw[5::7]), 9: len(raw[5::7])}
    assert value_counts(raw.astype(np.uint16) * 300) == {0: raw.size - len(raw[5::7]), 2700: 299593}


def test_default_class_names():
    assert class_names(2) == ("background", "foreground")
    assert class_names(3) == ("background", "class 1", "class 2")


@pytest.mark.parametrize(
    ("masks", "pair"),
    [
        ([(0, 128), (128,), (0,)], (0, 128)),
        ([(0, 65535)], (0, 65535)),
        ([(1, 2), (1,)], (1, 2)),
        ([(0, 254)], (0, 254)),
        ([(0, 2), (0,)], (0, 2)),
        ([(1, 255)], (1, 255)),
        ([(1,), (255,)], ()),  # each is foreground everywhere, as ever
    ],
)
@pytest.mark.parametrize("declared", [0, 2])
def test_two_values_are_two_classes(masks, pair, declared):
    coding = find_coding(named(masks), MaskRules(declared))
    assert coding == Coding(2, pair)
    assert coding.notes == tuple(
        f"masks hold {pair[0]} and {pair[1]}: {pair[1]} is read as foreground" for _ in pair[:1]
    )


def test_the_larger_of_two_values_is_foreground_even_alone_in_a_mask():
    coding = Coding(2, pair=(0, 40000))
    raw = mask(40000, 40000, kind=np.uint16)
    np.testing.assert_array_equal(to_labels(raw, coding, FILE), np.ones_like(raw))
    np.testing.assert_array_equal(to_labels(mask(1, 2), Coding(2, pair=(1, 2)), FILE)[0], (0, 1))
    with pytest.raises(DataError, match=r"^m.png: mask values 0 255, expected 0/128 as in other"):
        to_labels(mask(0, 255), Coding(2, pair=(0, 128)), FILE)


def test_only_masks_up_to_the_first_plain_one_are_read_where_two_classes_are_declared():
    masks = iter(named([(0,), (0, 255), (0, 9)]))
    assert find_coding(masks, MaskRules(2)) == Coding(2)
    assert next(masks)[1] == (0, 9)


@pytest.mark.parametrize(
    ("masks", "coding"),
    [
        ([(0, 1, 2, 255), (255,)], Coding(3, ignore=255)),
        ([(0, 128, 255)], Coding(2, (0, 128), ignore=255)),
        ([(0, 1, 255)], Coding(2, ignore=255)),
    ],
)
def test_the_value_to_ignore_is_no_class(masks, coding):
    assert find_coding(named(masks), MaskRules(ignore=255)) == coding


@pytest.mark.parametrize(
    ("raw", "coding", "labels"),
    [
        (mask(0, 2, 255), Coding(3, ignore=255), (0, 2, 255)),
        (mask(0, 255, 128), Coding(2, ignore=128), (0, 1, 255)),
        (mask(1, 2, 3), Coding(2, (1, 2), ignore=3), (0, 1, 255)),
        (mask(0, 1, 1000, kind=np.uint16), Coding(2, ignore=1000), (0, 1, 255)),
        (mask(7, 7, 7), Coding(2, ignore=7), (255, 255, 255)),
    ],
)
def test_ignored_pixels_are_marked(raw, coding, labels):
    found = to_labels(raw, coding, FILE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0], labels)
    assert coding.allows(set(raw.flat))


def test_a_class_cannot_be_ignored():
    with pytest.raises(DataError, match=r"^dataset.yaml: ignore is 1, the number of a class"):
        Coding(3, ignore=1)


def test_a_threshold_reads_greys(tmp_path):
    coding = find_coding(named([(0, 3, 127, 128, 255)]), MaskRules(threshold=128, ignore=7))
    assert coding == Coding(2, threshold=128, ignore=7)
    np.testing.assert_array_equal(to_labels(mask(127, 128, 7), coding, FILE)[0], (0, 1, 255))
    with pytest.raises(DataError, match="mask_threshold tells two classes apart, and classes n"):
        find_coding((), MaskRules(3, threshold=128))


def test_the_first_class_may_have_another_number():
    coding = find_coding(named([(1, 2), (3,)]), MaskRules(first=1))
    assert coding == Coding(3, first=1)
    np.testing.assert_array_equal(to_labels(mask(1, 2, 3), coding, FILE)[0], (0, 1, 2))
    with pytest.raises(DataError, match=r"mask values 0 1 2, expected 1\.\.3"):
        to_labels(mask(0, 1, 2), coding, FILE)
    with pytest.raises(DataError, match=r"mask values 1 2 4, expected 1\.\.3"):
        to_labels(mask(1, 2, 4), coding, FILE)
    assert find_coding(named([(1, 2)]), MaskRules(first=1)) == Coding(2, first=1)
    assert [coding.class_of(value) for value in (1, 3)] == [0, 2]


def test_the_first_class_and_pixels_to_ignore_go_together():
    coding = find_coding(named([(1, 2, 255), (3,)]), MaskRules(first=1, ignore=255))
    np.testing.assert_array_equal(to_labels(mask(1, 3, 255), coding, FILE)[0], (0, 2, 255))
