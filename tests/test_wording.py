"""One and several, and one line in place of many."""

import pytest

from bmis.wording import counted, first_of_alike, group_alike, summarise


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "image", "0 images"),
        (1, "test image", "1 test image"),
        (2, "test image", "2 test images"),
        (1, "class", "1 class"),
        (3, "process", "3 processes"),
    ],
)
def test_one_and_several(number, noun, text):
    assert counted(number, noun) == text


def test_texts_are_alike_if_only_names_and_numbers_differ():
    texts = ["mask values 0 7, expected 0/1", "image 'a' is new", "mask values 0 7 9, expected 0/1"]
    assert group_alike([*texts, "image 'b' is new"], str) == [
        [texts[0], texts[2]],
        [texts[1], "image 'b' is new"],
    ]


def test_the_first_of_alike_errors_is_named_with_the_number_of_the_others():
    errors = [f"c{number}.png: 8 x {number} pixels: too few" for number in range(30)]
    assert first_of_alike([*errors, "c30.png: empty", "no path"]) == [
        "c0.png: 8 x 0 pixels: too few (and 29 more like it)",
        "c30.png: empty",
        "no path",
    ]


def test_numbers_in_equal_notes_become_a_range():
    notes = ["12 grey pixels, cut at 128", "7 grey pixels, cut at 128", "called 'a'", "called 'b'"]
    assert summarise([*notes, "called 'b', too"], "image") == [
        "2 images: 7 to 12 grey pixels, cut at 128",
        "2 images: called 'a' ...",
        "1 image: called 'b', too",
    ]
