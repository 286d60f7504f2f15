"""The sheet that shows how a recipe changes images."""

import json

import numpy as np
import pytest
from PIL import Image

from bmis.cli.main import main
from bmis.errors import ConfigError, DataError
from bmis.train.augmentation_sheet import write_augmentation_sheet
from helpers.tiny import config


def tiles(path):
    """The 24 pictures, without frame and caption."""
    sheet = np.asarray(Image.open(path))
    across, down = 224 + 8, sheet.shape[0] // 4
    return [
        sheet[8 + row * down + 3 :][:200, 8 + column * across + 3 :][:, :200]
        for row in range(4)
        for column in range(6)
    ]


def test_the_sheet_has_24_tiles_that_change_with_the_recipe(dataset, tmp_path):
    names = ("flip", "rotate", "brightness", "contrast")
    still = {f"augmentation.{name}": 0 for name in names}
    given = config(dataset, recipe="fast", changes=still)
    plain = tiles(write_augmentation_sheet(given, tmp_path / "a.png"))
    assert len(plain) == 24
    assert np.array_equal(plain[0], plain[0 + 4])  # four training images, again and again
    more = {**given.changes, "augmentation.border": 1}
    bordered = tiles(
        write_augmentation_sheet(config(dataset, recipe="fast", changes=more), tmp_path / "b.png")
    )
    assert not np.array_equal(plain[0], bordered[0])
    again = write_augmentation_sheet(
        config(dataset, recipe="fast", changes=more), tmp_path / "c.png"
    )
    assert again.read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_command_draws_and_stops(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = ["train", str(dataset), "--size", "32", "--show-augmentation", "sheet.png", "--json"]
    assert main(argv) == 0
    assert json.loads(capsys.readouterr().out) == {"sheet": "sheet.png"}
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("file", "changes", "problem", "error"),
    [
        ("sheet.gif", {}, "not a format that is written", DataError),
        ("sheet.png", {"augmentation.bordr": 1}, "did you mean 'border'", ConfigError),
        ("sheet.png", {"augmentation.paste": 2}, "paste must be 1.0 or less", ConfigError),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(dataset, tmp_path, file, changes, problem, error):
    with pytest.raises(error, match=problem):
        write_augmentation_sheet(config(dataset, changes=changes), tmp_path / file)
    assert not (tmp_path / file).exists()
