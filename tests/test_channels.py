"""Images of five channels, from a folder to a bundle."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

import bmis
from bmis.cli.main import main
from bmis.errors import DataError
from helpers.tiny import NETWORK, config, write_dataset

SAMPLES = {"photometric": "minisblack", "planarconfig": "contig"}


def settings(data):
    """One epoch of a network that is wider than five channels."""
    return replace(config(data, epochs=1), options={**NETWORK, "widths": [8, 12, 16]})


@pytest.fixture
def data(tmp_path):
    """Images of five channels, in NPY or as samples of TIFF."""
    root = write_dataset(tmp_path / "data")
    random = np.random.default_rng(0)
    for number, file in enumerate(sorted((root / "images").iterdir())):
        channels = random.integers(0, 4000, (32, 32, 5), dtype=np.uint16)
        channels[..., 4] += 40 * bmis.read_image(file).pixels[..., 0].astype(np.uint16)
        file.unlink()
        if number % 2:
            np.save(file.with_suffix(".npy"), channels)
        else:
            tifffile.imwrite(file.with_suffix(".tif"), channels, **SAMPLES)
    return root


def test_five_channels_are_inspected_trained_evaluated_exported_and_predicted(data, tmp_path):
    found = bmis.inspect_dataset(data, out=tmp_path / "inspection")
    assert (found.channels, found.problems) == (5, ())
    run = bmis.train_model(settings(data), out=tmp_path / "run", page=False).run
    assert len(bmis.evaluate_model(run).cases) == 1
    bundle = bmis.export_run(run, tmp_path / "five.bmis").path
    image = next((data / "images").glob("*.tif"))
    labels = bmis.load(bundle)(image).labels
    np.testing.assert_array_equal(labels, bmis.load(run)(image).labels)
    pixels = bmis.read_image(image).pixels
    for array in (pixels, np.moveaxis(pixels, 2, 0)):
        np.testing.assert_array_equal(bmis.load(bundle)(array).labels, labels)
    assert (
        main(["predict", str(bundle), str(data / "images"), "--out", str(tmp_path / "masks")]) == 0
    )


def test_other_channels_than_those_of_the_network_are_one_line(data, tmp_path, capsys):
    run = bmis.train_model(settings(data), out=tmp_path / "run", page=False).run
    rgb = tmp_path / "photo.npy"
    np.save(rgb, np.zeros((32, 32, 3), np.uint8))
    assert main(["predict", str(run), str(rgb), "--out", str(tmp_path / "masks")]) == 2
    assert "photo.npy: has 3 channels, and 5 are wanted" in capsys.readouterr().err


def test_a_mix_of_channels_is_named_with_counts_before_training(data, tmp_path):
    np.save(data / "images" / "case1.npy", np.zeros((32, 32, 2), np.uint8))
    with pytest.raises(DataError, match=r"has 2 channels, but .* has 5 \(1 image of 2, 5 of"):
        bmis.train_model(config(data), out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()
    assert "case1.npy" in bmis.inspect_dataset(data).problems[0].path
