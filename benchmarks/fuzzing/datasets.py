"""Data sets with one wrong table, description, mask, name or special file."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import yaml
from PIL import Image

from fuzzing.edits import TEXTS, edit_bytes, edit_values
from fuzzing.material import BUNDLE, DATA
from fuzzing.mutant import Mutant
from fuzzing.pictures import damaged_mask

_CASES = 5


def dataset(random: Random, material: Path, folder: Path) -> Mutant:
    """A data set with something wrong in it, given to ``inspect``, ``evaluate`` or ``train``."""
    root, out = folder / "data", folder / "out"
    _copy(material / DATA, root)
    change = random.choice(_CHANGES)
    change(random, root)
    commands = {
        "inspect": ["inspect", str(root), "--out", str(out)],
        "evaluate": ["evaluate", str(material / BUNDLE), str(root), "--split", "all"],
        "train": ["train", str(root), "--epochs", "1", "--size", "32", "--device", "cpu"],
        "fold": ["inspect", str(root), "--fold", random.choice(("1", "9", "²", str(root), "-1"))],
    }
    commands["evaluate"] += ["--engine", "onnxruntime", "--out", str(out)]
    commands["train"] += ["--out", str(out), "-o", "widths=[4,8,12]", "-o", "depths=[1,1]"]
    command = random.choices(list(commands), (50, 40, 3, 7))[0]
    return Mutant([commands[command]], (), f"{change.__name__.strip('_')} {command}")


def _copy(source: Path, root: Path) -> None:
    """The first few cases of a data set, with their splits."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
        for file in sorted((source / part).iterdir())[:_CASES]:
            shutil.copy(file, root / part)
    lines = (source / "splits.csv").read_text(encoding="utf-8").splitlines()[: _CASES + 1]
    (root / "splits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copy(source / "dataset.yaml", root)


def _mask(random: Random, root: Path) -> None:
    damaged_mask(random, random.choice(sorted((root / "masks").iterdir())))


def _field_of_view(random: Random, root: Path) -> None:
    shutil.copytree(root / "masks", root / "fov")
    damaged_mask(random, random.choice(sorted((root / "fov").iterdir())))


def _values(random: Random, root: Path) -> None:
    """A mask of an odd type, size or range."""
    file = random.choice(sorted((root / "masks").iterdir()))
    shape = random.choice([(48, 40), (40, 48), (1, 1), (48, 40, 3), (48, 40, 4), (0, 40), (48,)])
    kind = random.choice(["u1", "u2", "u4", "i1", "i8", "f4", "f8", "f2", "b1", "c8", "u8"])
    array = np.random.default_rng(random.randrange(99)).integers(0, 3, shape).astype(kind)
    file.unlink()
    np.save(file.with_suffix(".npy"), array * random.choice((1, 1, 100)))


def _size(random: Random, root: Path) -> None:
    file = random.choice(sorted((root / random.choice(("masks", "images"))).iterdir()))
    size = random.choice([(1, 1), (1, 48), (300, 1), (40, 47), (3000, 3000)])
    Image.new(random.choice(("L", "RGB", "1", "I;16")), size, 1).save(file)


def _description(random: Random, root: Path) -> None:
    file = root / "dataset.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8")) | {"channels": 3, "spacing": [1, 1]}
    edit_values(random, values)
    if isinstance(values, dict):
        values = {key if isinstance(key, str) else repr(key): v for key, v in values.items()}
    file.write_text(json.dumps(values, default=repr), encoding="utf-8")


_YAML = (
    "a: &a [x, x]\nb: &b [*a, *a]\nname: *b\n",
    "&a [*a]\n",
    "name: &a [*a]\n",
    "[" * 5000,
    "{" * 5000,
    "- " * 3000,
    "? " * 500,
    "name: !!python/object/apply:os.system [ls]\n",
    "channels: 3.0\n",
    "channels: [3]\n",
    "channels: {}\n",
    "channels: true\n",
    "spacing: 1\n",
    "spacing: .nan\n",
    "spacing: 12:30:45\n",
    "spacing: {a: 1, b: 2}\n",
    "name: 2001-99-99\n",
    "name: " + "9" * 9000 + "\n",
    "name: 0x" + "f" * 9000 + "\n",
    "classes: [[], []]\n",
    "classes: [a, a]\n",
    "classes: {a, b}\n",
    "classes: [a, !!binary x]\n",
    'classes: ["\\e[31m", b]\n',
    "? [a]\n: b\n",
    "? {a: b}\n: b\n",
    "<<: [a]\n",
    "<<: *a\n",
    "--- a\n--- b\n",
    "\ufeffname: a\n",
    "name: a\nname: b\n",
    "a" * 3_000_000,
)


def _yaml(random: Random, root: Path) -> None:
    text = random.choice(_YAML).encode()
    bombs = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    if random.random() < 0.1:
        text = ("a0: &a0 [x]\n" + "\n".join(bombs) + "\nname: *a8\n").encode()
    elif random.random() < 0.3:
        text = edit_bytes(random, text)
    (root / "dataset.yaml").write_bytes(text)


def _table(random: Random, root: Path) -> None:
    file = root / "splits.csv"
    file.write_bytes(edit_bytes(random, file.read_bytes()))


def _cells(random: Random, root: Path) -> None:
    """Cells of a table replaced, and columns added."""
    file = root / "splits.csv"
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]
    rows[0] += random.choice(([], ["group"], ["class"], ["id"], [""], ["group", "stratum"]))
    for _ in range(random.randint(1, 4)):
        row = random.choice(rows)
        row[random.randrange(len(row)) :] = [random.choice(TEXTS), random.choice(TEXTS)]
    text = "\n".join(",".join(row) for row in rows)
    file.write_text(text + random.choice(("", "\n", '"', "," * 99_999)), encoding="utf-8")


def _fold(random: Random, root: Path) -> None:
    (root / "folds").mkdir()
    shutil.copy(root / "splits.csv", root / "folds" / "fold1.csv")
    file = root / "folds" / "fold1.csv"
    file.write_bytes(edit_bytes(random, file.read_bytes()))


def _name(random: Random, root: Path) -> None:
    """An image and its mask renamed; splits.csv no longer knows them, so it goes."""
    names = [
        *(b"\xff\xfe", b"a\nb", b"\x1b[31m", "\u202egnp".encode(), b"-o", b" ", b"a" * 245),
        *("é".encode() * 120, b"$(ls)", b"{x}", b"%s", b"a\tb", b"..", b"con", b"\xed\xa0\x80"),
    ]
    (root / "splits.csv").unlink()
    file = random.choice(sorted((root / "images").iterdir()))
    new = random.choice(names)
    for part in ("images", "masks"):
        folder = os.fsencode(root / part)
        os.rename(  # noqa: PTH104  (names that are no text)
            os.path.join(folder, os.fsencode(file.name)),  # noqa: PTH118
            os.path.join(folder, new + os.fsencode(file.suffix)),  # noqa: PTH118
        )


def _special(random: Random, root: Path) -> None:
    """A pipe, folder, link or device where a file should be."""
    names = ["splits.csv", "dataset.yaml", "images/x.png", "masks/x.png"]
    images = sorted((root / "images").iterdir())
    file = random.choice([root / random.choice(names), random.choice(images)])
    file.unlink(missing_ok=True)
    how = random.randrange(5)
    if how == 0:
        os.mkfifo(file)
    elif how == 1:
        file.mkdir()
    elif how == 2:
        file.symlink_to(random.choice(("/dev/zero", "/dev/null", "/proc/self/mem", "nowhere")))
    elif how == 3:
        file.symlink_to(file)
    else:
        file.touch()


def _nnunet(random: Random, root: Path) -> None:
    """A raw folder of nnU-Net with a changed ``dataset.json``."""
    (root / "images").rename(root / "imagesTr")
    (root / "masks").rename(root / "labelsTr")
    for file in ("splits.csv", "dataset.yaml"):
        (root / file).unlink()
    values = {"labels": {"background": 0, "polyp": 1}, "channel_names": {"0": "R"}}
    edit_values(random, values)
    text = json.dumps(values).encode()
    text = edit_bytes(random, text) if random.random() < 0.3 else text
    (root / "dataset.json").write_bytes(b"[" * 9999 if random.random() < 0.05 else text)


_CHANGES: tuple[Callable[[Random, Path], None], ...] = (
    *(_mask, _mask, _mask, _field_of_view, _values, _values, _size, _description, _description),
    *(_yaml, _table, _cells, _fold, _name, _special, _nnunet),
)
