"""YAML is read as plain values; what would cost memory or time is refused at once."""

import time

import pytest

from bmis.errors import DataError
from bmis.system.plain_yaml import parse_yaml, read_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"aliases such as \*a0 are not read; write the values out"),
        ("a: &a [*a]", r"aliases such as \*a are not read"),
        ("[" * 5000, "too many brackets inside one another"),
        ("{" * 5000, "too many brackets inside one another"),
        ("- " * 5000, "too many brackets inside one another"),
        ("x" * 70_000, "has more than 65536 bytes"),
        ("a: 0x" + "f" * 5000, "a number of more than 64 bits"),
        ("a: " + "9" * 5000, "cannot be read as YAML"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("--- a\n--- b", "expected a single document"),
        ("? [a]\n: b", "found unhashable key"),
        ("a: b: c", "mapping values are not allowed here"),
    ],
)
def test_hostile_yaml_is_refused_in_one_line_and_at_once(tmp_path, text, message):
    file = tmp_path / "dataset.yaml"
    file.write_text(text)
    start = time.perf_counter()
    with pytest.raises(DataError, match=rf"dataset.yaml: .*{message}") as caught:
        read_yaml(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[8, 16]", [8, 16]),
        ("false", False),
        ("", None),
        ("1e-3", "1e-3"),  # as the standard loader has it
        ("a: {b: [1.5, 'x']}", {"a": {"b": [1.5, "x"]}}),
        ("2018-01-31", "2018-01-31"),  # the name of a data set, no date
        ("&a x", "x"),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_plain_values_are_read(text, value):
    assert parse_yaml(text) == value
