"""Errors of a data set that are raised together."""

from pathlib import Path

import pytest

from bmis.data.on_error import raise_together
from bmis.errors import DataError


def raised(*errors: str, last: str | None = None) -> list[str]:
    def work() -> None:
        with raise_together(Path("my set")) as on_error:
            for error in errors:
                on_error(DataError(error))
            if last is not None:
                raise DataError(last)

    with pytest.raises(DataError) as caught:
        work()
    return str(caught.value).splitlines()


def test_no_error_raises_nothing():
    with raise_together(Path("polyps")):
        pass


def test_one_error_is_raised_as_it_is():
    assert raised("a.png: empty") == ["a.png: empty"]
    assert raised(last="my set: no images") == ["my set: no images"]


def test_all_are_named_and_those_alike_counted():
    errors = [f"{number}.png: empty" for number in range(30)]
    assert raised(*errors, "a.png: no mask", last="splits.csv: no rows") == [
        "0.png: empty (and 29 more like it)",
        "a.png: no mask",
        "splits.csv: no rows",
        "32 problems; `bmis inspect 'my set'` lists all of them",
    ]


def test_a_long_list_is_cut():
    lines = raised(*(f"a.png: {'x' * number}" for number in range(1, 14)))
    assert len(lines) == 12
    assert lines[-2] == "and 3 more kinds of them"
    assert lines[-1].startswith("13 problems; ")
