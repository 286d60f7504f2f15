"""YAML that people write: plain values, and no short file that costs gigabytes."""

from pathlib import Path
from typing import Any

import yaml

from bmis.errors import DataError
from bmis.system.reading import read_text

_LARGEST = 2**16  # bytes; YAML is slow to read, and 64 names of classes need far less
_LARGEST_NUMBER = 2**63  # larger ones cannot even be printed


def read_yaml(path: Path) -> Any:
    """The values of a YAML file, as ``parse_yaml`` reads them.

    Raises:
        DataError: See ``read_text``; or the text is no YAML that is read.

    Example:
        >>> read_yaml(Path("polyps/dataset.yaml"))["classes"]
        ['background', 'polyp']
    """
    try:
        return parse_yaml(read_text(path, limit=_LARGEST))
    except ValueError as error:
        raise DataError(f"{path}: cannot be read as YAML ({error}); fix or remove it") from error


def parse_yaml(text: str) -> Any:
    """Plain values from YAML. What can make a short text large or slow is refused.

    Dates stay text. Aliases are refused, because a few lines of them stand for gigabytes.

    Raises:
        ValueError: One line on what is wrong.

    Example:
        >>> parse_yaml("widths: [8, 16]")
        {'widths': [8, 16]}
        >>> parse_yaml("[&a [1, 2], *a]")
        Traceback (most recent call last):
        ValueError: aliases such as *a are not read; write the values out
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe one)
    except RecursionError:
        raise ValueError("it has too many brackets inside one another") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise ValueError(" ".join(str(error).split())[:300]) from None


class _Loader(yaml.SafeLoader):
    """Plain values without aliases, dates and endless numbers."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            name = self.peek_event().anchor  # type: ignore[no-untyped-call]
            raise ValueError(f"aliases such as *{name} are not read; write the values out")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number = int(super().construct_yaml_int(node))
        if abs(number) > _LARGEST_NUMBER:
            raise ValueError("it holds a number of more than 64 bits")
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
