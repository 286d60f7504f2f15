"""Which files of a folder count as images."""

import pytest

from bmis.data.image_files import find_images
from bmis.errors import DataError
from helpers.folders import picture, save


def test_find_images_of_a_folder_and_of_a_file(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png"):
        save(tmp_path / name, picture(0))
    (tmp_path / "notes.txt").write_text("x")
    assert [p.name for p in find_images(tmp_path)] == ["a.JPG", "b.png"]
    assert find_images(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(DataError, match="no such file or folder"):
        find_images(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no images"):
        find_images(tmp_path / "empty")
