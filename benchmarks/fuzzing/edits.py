"""Random edits of bytes, of texts and of nested values, all drawn from one generator."""

import struct
from collections.abc import Callable
from random import Random
from typing import Any

# what hurts readers: ends, signs, sizes, and the marks of the formats themselves
SPLINTERS = (
    b"\0",
    b"\xff" * 2,
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x80" * 9 + b"\1",
    b"\0" * 16,
    b"\n",
    b'"',
    b"\x1b[2J",
    b"../",
    b"%s%n",
    "\u202e".encode(),
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 255, 256, 32767, 65535, 2**31 - 1, -(2**31), 2**31, 2**32 - 1),
    *(2**63 - 1, -(2**63), 2**64, 10**30, 0.5, -0.0, 1e-300, 1e308),
)
TEXTS = ("", " ", "\x1b[31mred", "a\nb", "\u202egnp.exe", "../../x", "nan", "²", "9" * 30, "é" * 80)
VALUES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [[[[[[]]]]]], {"a": {"b": []}}),
    *NUMBERS,
    *TEXTS,
)


def edit_bytes(random: Random, data: bytes, *, start: int = 0, most: int = 4) -> bytes:
    """Up to ``most`` edits behind the first ``start`` bytes."""
    out = bytearray(data)
    for _ in range(random.randint(1, most)):
        random.choice(_BYTE_EDITS)(random, out, start)
    return bytes(out)


def _at(random: Random, out: bytearray, start: int) -> int:
    """A place, half of the time among the first kilobyte, where headers are."""
    end = min(len(out), start + 1024) if random.random() < 0.5 else len(out)
    return random.randrange(start, max(end, start + 1))


def _flip(random: Random, out: bytearray, start: int) -> None:
    if len(out) > start:
        out[min(_at(random, out, start), len(out) - 1)] ^= random.randint(1, 255)


def _overwrite(random: Random, out: bytearray, start: int) -> None:
    at, splinter = _at(random, out, start), random.choice(SPLINTERS)
    out[at : at + len(splinter)] = splinter


def _insert(random: Random, out: bytearray, start: int) -> None:
    at = _at(random, out, start)
    out[at:at] = random.choice(SPLINTERS) * random.choice((1, 1, 1, 50))


def _delete(random: Random, out: bytearray, start: int) -> None:
    at = _at(random, out, start)
    del out[at : at + random.choice((1, 4, 64, 1000))]


def _move(random: Random, out: bytearray, start: int) -> None:
    source, at, length = _at(random, out, start), _at(random, out, start), random.randint(1, 200)
    out[at : at + length] = out[source : source + length]


def _cut(random: Random, out: bytearray, start: int) -> None:
    del out[_at(random, out, start) :]


def _integer(random: Random, out: bytearray, start: int) -> None:
    at, kind = _at(random, out, start), random.choice(["<I", ">I", "<H", ">H", "<Q", ">Q"])
    number = random.choice(NUMBERS[:18])
    wide = struct.calcsize(kind)
    out[at : at + wide] = struct.pack(kind, int(number) % 256**wide)


_BYTE_EDITS: tuple[Callable[[Random, bytearray, int], None], ...] = (
    *(_flip, _flip, _overwrite, _insert, _delete, _move, _cut, _integer, _integer),
)


def edit_values(random: Random, values: Any, *, most: int = 3) -> None:
    """Change up to ``most`` places in nested lists and dictionaries, in place."""
    for _ in range(random.randint(1, most)):
        places = list(_places(values))
        if not places:
            return
        container, key = random.choice(places)
        how = random.choice(("replace", "replace", "replace", "remove", "wrap", "copy", "deep"))
        if how == "replace":
            container[key] = random.choice(VALUES)
        elif how == "remove":
            del container[key]
        elif how == "wrap":
            container[key] = [container[key]]
        elif how == "deep":
            container[key] = nested(random.choice((10, 400)), container[key])
        elif isinstance(container, list):
            container += [container[key]] * random.choice((1, 1000))
        else:
            container[random.choice(TEXTS)] = container[key]


def nested(depth: int, value: Any) -> Any:
    """A value inside that many lists."""
    for _ in range(depth):
        value = [value]
    return value


def _places(values: Any) -> list[tuple[Any, Any]]:
    """Every place in nested values: (container, key)."""
    found: list[tuple[Any, Any]] = []
    waiting = [values]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return found
