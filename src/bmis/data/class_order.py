"""The class names of a network and of a data set, matched so that no class is taken for another."""

import re
from collections.abc import Sequence

from bmis.errors import ConfigError


def class_order(ours: Sequence[str], theirs: Sequence[str], *, where: str) -> tuple[int, ...]:
    """The number that each class of a data set has in a network.

    Names are compared without case and outer spaces. Classes without names of their own
    ("foreground", "class 1") are taken as they are numbered.

    Args:
        ours: Names of the data set's classes.
        theirs: As many names of the network's classes.
        where: What the data set is called in the error.

    Raises:
        ConfigError: The names are different ones.

    Example:
        >>> class_order(["bg", "cup", "disc"], ["bg", "disc", "cup"], where="eyes")
        (0, 2, 1)
    """
    numbers = tuple(range(len(ours)))
    mine, other = ([name.strip().casefold() for name in names] for names in (ours, theirs))
    if mine[1:] == other[1:] or _unnamed(mine) or _unnamed(other):
        return numbers
    if sorted(mine[1:]) == sorted(other[1:]):  # the background is 0, whatever it is called
        return (0, *(1 + other[1:].index(name) for name in mine[1:]))
    raise ConfigError(
        f"{where}: its classes are {', '.join(ours)}, the network's are {', '.join(theirs)}; "
        "choose other data, or give the same names in dataset.yaml if they mean the same"
    )


def _unnamed(names: Sequence[str]) -> bool:
    return all(re.fullmatch(r"foreground|class \d+", name) for name in names[1:])
