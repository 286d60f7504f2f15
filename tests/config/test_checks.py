"""Checks of single values: what is refused, and how it is said."""

from typing import Annotated

import pytest
from msgspec import Meta

from bmis.config import Size, check_choice, check_size, check_value
from bmis.config.checks import one_of
from bmis.errors import ConfigError

WORD = Annotated[str, one_of("cpu", "cuda", "a.b")]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("3", int, "x must be a whole number, got '3'"),
        (3.0, int, "x must be a whole number, got 3.0"),
        (True, int, "x must be a whole number, got True"),
        (True, float, "x must be a number, got True"),
        (1, bool, "x must be true or false, got 1"),
        (None, int, "x must be a whole number, got None"),
        (2.5, int | str | None, "x must be a whole number or text, got 2.5"),
        (0, Annotated[int, Meta(ge=1)], "x must be 1 or more, got 0"),
        (9, Annotated[int, Meta(le=8)], "x must be 8 or less, got 9"),
        (float("nan"), Annotated[float, Meta(gt=0)], "x must be above 0.0, got nan"),
        ([1, "a"], tuple[int, ...], r"x\[1\] must be a whole number, got 'a'"),
        ({"a": [0]}, dict[str, tuple[str, ...]], "x must hold text, got"),
        (10**400, float, "x must be another value .*out of range"),
        ("gpu", WORD, "unknown x 'gpu'"),
        ("cpu\n", WORD, "unknown x"),
        ("axb", WORD, "unknown x"),
        (["cpu", "cdua"], tuple[WORD, ...], r"unknown x\[1\] 'cdua' \(did you mean 'cuda'\?\)"),
        ("any", Size, r"x must be \(height, width\)"),
        ("a" * 500, int, "^.{,120}$"),
    ],
)
def test_wrong_values_are_refused_in_one_line(value, kind, message):
    with pytest.raises(ConfigError, match=message) as caught:
        check_value("x", value, kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(8, 8), (16384, 9), [32, 48]])
def test_sizes_that_are_taken(size):
    check_size(size)


@pytest.mark.parametrize(
    "size", [(7, 8), (8, 16385), (8,), (8, 8, 8), (8.0, 8), (True, 8), 8, None]
)
def test_sizes_that_are_refused(size):
    with pytest.raises(ConfigError, match=r"size must be \(height, width\), each from 8 to 16384"):
        check_size(size)


def test_a_choice_of_another_type_is_refused():
    with pytest.raises(ConfigError, match="unknown device 5"):
        check_choice("device", 5, ("cpu",))
