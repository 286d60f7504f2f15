"""The main job from the command line: phantoms in; network, scores, costs and masks out."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from bmis.cli.main import main

TINY = ["-o", "widths=[8,16,24]", "-o", "depths=[1,1]"]


def run(*argv: object) -> None:
    assert main([str(arg) for arg in argv]) == 0


@pytest.mark.slow
def test_phantoms_become_scores_and_masks(tmp_path, capsys):
    data, out, masks = tmp_path / "data", tmp_path / "run", tmp_path / "masks"
    run("phantom", "--modality", "xray", "--count", 40, "--size", "96,80", data)
    run("inspect", data, "--json", "--out", tmp_path / "inspect")
    train = ["train", data, "--out", out, "--recipe", "fast", "--epochs", 30, "--size", 64]
    run(*train, *TINY)
    run("evaluate", out)
    run("profile", out, "--batch", "1", "--json")
    capsys.readouterr()
    test = json.loads((out / "metrics.json").read_text())
    # lungs are the easiest phantoms: a network that learnt finds most of them, a broken one
    # (all background, all lung, shifted, flipped) does not
    assert test["summary"]["cases"]["dice"]["mean"] > 0.8

    run("predict", out, data / "images", "--out", masks, "--overlay", "--spacing", "0.5")
    with (masks / "measurements.csv").open(encoding="utf-8") as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    assert len(rows) == 40
    for name, row in rows.items():
        mask = np.asarray(Image.open(masks / f"{name}.png"))
        assert mask.shape == (96, 80)  # the image's own size
        assert int(row["area_px"]) == np.count_nonzero(mask == 255)
        assert float(row["area_mm2"]) == pytest.approx(0.25 * int(row["area_px"]))
        assert (masks / "overlays" / f"{name}.png").is_file()


@pytest.mark.slow
def test_three_grey_classes_in_crops_and_tiles(tmp_path):
    data, out, masks = tmp_path / "data", tmp_path / "run", tmp_path / "masks"
    phantom = ["phantom", "--modality", "xray", "--classes", 3, "--count", 20, "--size", 96, data]
    run(*phantom)
    train = ["train", data, "--out", out, "--recipe", "fast", "--epochs", 3]
    run(*train, "--size", 64, "--resize", "native", *TINY)
    run("evaluate", out)
    scores = json.loads((out / "metrics.json").read_text())
    assert set(scores["summary"]["classes"]) == {"lung", "heart"}
    run("predict", out, data / "images", "--out", masks, "--tile", 64)
    pictures = [np.asarray(Image.open(file)) for file in masks.glob("*.png")]
    labels = {int(value) for picture in pictures for value in np.unique(picture)}
    assert labels <= {0, 1, 2}
    assert 1 in labels
