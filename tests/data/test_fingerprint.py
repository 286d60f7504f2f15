"""Fingerprints of what the files of a data set hold."""

import os
import shutil
from dataclasses import replace

import pytest

from bmis.data.coding import Coding
from bmis.data.fingerprint import (
    PARTS,
    changed_parts,
    content_fingerprints,
    split_fingerprint,
)
from bmis.data.folder import open_dataset
from bmis.errors import DataError
from helpers.folders import blob, make_folder, picture, save

FOV = "fields of view"


def changed(before, root, **declared):
    now = content_fingerprints(replace(open_dataset(root), **declared))
    return changed_parts(before, now)


@pytest.fixture
def root(tmp_path):
    root = make_folder(tmp_path / "data")
    save(root / "fov" / "c01.png", blob(1))
    return root


def test_names_that_are_no_text_have_fingerprints(root):
    for folder in ("images", "masks"):
        file = root / folder / "c01.png"
        file.rename(file.with_name(os.fsdecode(b"caf\xe9.png")))
    dataset = open_dataset(root, fold=1)
    assert split_fingerprint(dataset.cases)
    assert set(content_fingerprints(dataset)) == set(PARTS)


def test_a_copy_has_the_same_content(root, tmp_path):
    before = content_fingerprints(open_dataset(root))
    assert set(before) == set(PARTS)
    shutil.copytree(root, tmp_path / "copy")
    assert content_fingerprints(open_dataset(tmp_path / "copy")) == before


@pytest.mark.parametrize(
    ("path", "pixels", "part"),
    [
        ("images/c03.png", picture(99), "images"),
        ("masks/c03.png", blob(4), "masks"),
        ("fov/c01.png", blob(4), FOV),
    ],
)
def test_another_file_is_another_content(root, path, pixels, part):
    before = content_fingerprints(open_dataset(root))
    save(root / path, pixels)
    assert changed(before, root) == [part]


def test_files_that_swap_places_are_another_content(root):
    before = content_fingerprints(open_dataset(root))
    one, other = root / "masks" / "c03.png", root / "masks" / "c04.png"
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    assert changed(before, root) == ["masks"]


def test_spacing_and_class_names_count(root):
    before = content_fingerprints(open_dataset(root))
    assert changed(before, root, spacing=(0.1, 0.1)) == [PARTS[3]]
    assert changed(before, root, classes=("background", "polyp")) == [PARTS[3]]


@pytest.mark.parametrize("before", [None, {}, "odd", {"images": None}])
def test_what_is_not_known_has_not_changed(root, before):
    assert changed(before, root) == (["images"] if before == {"images": None} else [])


def test_a_file_that_is_gone_is_an_error(root):
    dataset = open_dataset(root)
    (root / "masks" / "c03.png").unlink()
    with pytest.raises(DataError, match=r"c03.png: cannot be read \(No such file"):
        content_fingerprints(dataset)


@pytest.mark.parametrize("declared", [{"ignore": 9}, {"threshold": 128}, {"first": 1}])
def test_what_is_declared_of_the_masks_counts(root, declared):
    before = content_fingerprints(open_dataset(root))
    assert changed(before, root, coding=Coding(2, **declared)) == [PARTS[3]]
