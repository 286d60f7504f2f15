"""One and several, and one line in place of many."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

import bmis
from bmis.wording import counted, duration, first_of_alike, group_alike, summarise, time_left


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (7170, "2 h 0 min"),
        (200_000, "55 h 33 min"),
    ],
)
def test_a_time_is_told_in_two_units(seconds, text):
    assert duration(seconds) == text


def test_what_is_left_follows_from_what_was_done():
    assert time_left(90, 1, 3) == "1 min 30 s so far, about 3 min 0 s left"
    assert time_left(90, 3, 3) == "1 min 30 s in all"


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


SOURCE = sorted(Path(bmis.__file__).parent.rglob("*.py"))
NOUNS = re.compile(
    r" (?:\w+ )?(?:annotations|cases|channels|classes|colours|epochs|files|folds|graphs|groups"
    r"|images|masks|methods|networks|objects|overlays|pairs|phantoms|points|processes|records|threads"
    r"|trials|values)\b(?!/)"
)
NEVER_ONE = (  # words, and numbers that are above 1 where they are shown
    *("kind", "modality", "numbers", "dataset.name", "zero.shape"),
    *("most", "len(same)", "len(taken)", "len(values)", "len(masks.values)", "array.shape[2]"),
)


def bare_counts(file):
    """Where an f-string puts a number before a plural, limits in capitals apart."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, text in pairwise(parts):
            is_number = isinstance(value, ast.FormattedValue) and value.format_spec is None
            if is_number and isinstance(text, ast.Constant) and NOUNS.match(text.value):
                name = ast.unparse(value.value)
                if not name.isupper() and "'" not in name and name not in NEVER_ONE:
                    yield f"{file.name}:{node.lineno}: {{{name}}}{text.value}"


def test_no_message_puts_a_number_before_a_plural_by_itself():
    assert [line for file in SOURCE for line in bare_counts(file)] == []
