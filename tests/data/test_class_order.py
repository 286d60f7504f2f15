"""Class names of a network and of a data set, matched."""

import pytest

from bmis.data.class_order import class_order
from bmis.errors import ConfigError

EYE = ("background", "cup", "disc")


def order(ours, theirs=EYE):
    return class_order(ours, theirs, where="eyes")


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (EYE, (0, 1, 2)),
        (("Background", " Cup", "DISC"), (0, 1, 2)),
        (("background", "disc", "cup"), (0, 2, 1)),
        (("none", "disc", "cup"), (0, 2, 1)),
        (("background", "class 1", "class 2"), (0, 1, 2)),
    ],
)
def test_classes_are_matched_by_name(ours, expected):
    assert order(ours) == expected


def test_each_class_goes_where_its_name_is():
    ours, theirs = ("bg", "a", "b", "c"), ("bg", "c", "a", "b")
    assert [theirs[index] for index in order(ours, theirs)] == list(ours)


def test_a_network_without_names_takes_the_classes_as_they_are_numbered():
    assert order(("bg", "polyp"), ("background", "foreground")) == (0, 1)


@pytest.mark.parametrize("ours", [("bg", "cup", "vessel"), ("bg", "cup", "cup")])
def test_other_names_are_refused(ours):
    with pytest.raises(ConfigError, match=r"eyes: its classes are bg, cup, .* are background, cup"):
        order(ours)
