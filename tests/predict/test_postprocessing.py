"""Post-processing where a bundle runs: as it is stored, or as it is asked for."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import bmis
from bmis.bundle import read_bundle
from bmis.cli.main import main
from bmis.config import Confidence, PostProcessing
from bmis.data.images import Image, read_mask, write_image
from bmis.errors import BundleError, ConfigError
from bmis.predict.predictor import Predictor
from helpers.bundles import manifest, rezip, unzip, write_tiny
from helpers.fakes import Brightness, info


def grey(labels):
    """An image that ``Brightness`` is surer of the brighter it is: 0 and 1 are 0.1 and 0.9."""
    return np.repeat(np.rint((0.1 + 0.8 * labels) * 255).astype(np.uint8)[..., None], 3, 2)


def predict(pixels, *, classes=2, resize="native", **rules):
    spec = replace(info(classes, resize=resize), postprocessing=PostProcessing(**rules))
    return Predictor(Brightness(classes), spec)(Image(pixels)).labels


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("resize", ["native", "squash"])
def test_a_pixel_is_foreground_above_the_threshold(classes, resize):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :], 64, 0)
    image = np.repeat(ramp[..., None], 3, 2)
    spec = info(classes, resize=resize, size=(64, 256))
    predictor = Predictor(Brightness(classes), spec, keep_probabilities=True)
    likely = predictor(Image(image)).probabilities[-1]
    for threshold in (0.1, 0.5, 0.8):
        rules = replace(spec, postprocessing=PostProcessing(threshold=threshold))
        labels = Predictor(Brightness(classes), rules)(Image(image)).labels
        np.testing.assert_array_equal(labels > 0, likely > threshold)


def test_pieces_of_a_tiled_image_are_those_of_the_whole_image():
    labels = np.zeros((90, 120), np.uint8)
    labels[10:80, 5:60], labels[30:50, 20:40], labels[4:8, 100:110] = 1, 0, 1
    expected = np.zeros_like(labels)
    expected[10:80, 5:60] = 1
    found = predict(grey(labels), largest_piece=True, fill_holes=True)  # tiles of 32
    np.testing.assert_array_equal(found, expected)


def test_flips_are_averaged():
    class Left(Brightness):
        """Sees the left half alone."""

        def __call__(self, batch):
            logits = super().__call__(batch)
            logits[..., batch.shape[3] // 2 :] = [[[20.0]], [[-20.0]]]
            return logits

    labels = np.ones((32, 32), np.uint8)
    for flips, columns in (("none", 16), ("vertical", 16), ("horizontal", 0), ("both", 0)):
        spec = replace(
            info(size=(32, 32)), postprocessing=PostProcessing(flips=flips, threshold=0.6)
        )
        found = Predictor(Left(), spec)(Image(grey(labels))).labels
        assert found[:, :columns].all()
        assert found.sum() == 32 * columns  # a mean of 1 and 0 is below 0.6


def test_a_threshold_for_several_classes_is_refused():
    with pytest.raises(ConfigError, match="a threshold is for two classes, the network has 3"):
        replace(info(3), postprocessing=PostProcessing(threshold=0.4))


@pytest.fixture
def bundle(tmp_path):
    """A bundle with post-processing and a calibration, and an image for it."""
    rules = PostProcessing(threshold=0.3, smallest_size=0.01, fill_holes=True)
    confidence = Confidence(intercept=-0.5, slope=0.9, empty=0.1)
    made = replace(manifest().info, postprocessing=rules, confidence=confidence)
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    write_image(tmp_path / "a.png", pixels)
    return write_tiny(tmp_path / "a.bmis", info=made)


def test_what_a_bundle_brings_is_done_and_may_be_changed(bundle, tmp_path):
    image = tmp_path / "a.png"
    stored = read_bundle(bundle).manifest.info.postprocessing
    assert stored.changes() == {"threshold": 0.3, "smallest_size": 0.01, "fill_holes": True}
    plain = bmis.load(bundle, postprocessing=PostProcessing())
    own = bmis.load(bundle)
    assert own.info.postprocessing == stored
    assert (own(image).labels != plain(image).labels).any()
    changed = bmis.load(bundle, postprocessing={"threshold": 0.5, "largest_piece": True})
    expected = stored.with_changes({"threshold": 0.5, "largest_piece": True})
    assert changed.info.postprocessing == expected
    assert own(image).expected_dice is not None
    with pytest.raises(
        ConfigError, match=r"'treshold' of PostProcessing \(did you mean 'threshold'"
    ):
        bmis.load(bundle, postprocessing={"treshold": 0.5})


def test_the_command_changes_single_values(bundle, tmp_path, capsys):
    for name, flags, rules in (
        ("own", [], {}),
        (
            "changed",
            ["--threshold", "0.6", "--no-fill-holes"],
            {"threshold": 0.6, "fill_holes": False},
        ),
    ):
        out = tmp_path / name
        argv = [
            "predict",
            str(bundle),
            str(tmp_path / "a.png"),
            "--out",
            str(out),
            *flags,
            "--json",
        ]
        assert main(argv) == 0
        answer = json.loads(capsys.readouterr().out)
        mask = bmis.load(bundle, postprocessing=rules)(tmp_path / "a.png")
        np.testing.assert_array_equal(read_mask(out / "a.png") > 0, mask.labels > 0)
        with (out / "measurements.csv").open() as stream:
            (row,) = csv.DictReader(stream)
        assert float(row["expected_dice"]) == pytest.approx(mask.expected_dice, rel=1e-5)
        assert answer["expected_dice"] == {str(tmp_path / "a.png"): mask.expected_dice}


def test_the_mask_that_is_most_likely_bad_is_named(bundle, tmp_path, capsys):
    argv = ["predict", str(bundle), str(tmp_path / "a.png"), "--out", str(tmp_path / "masks")]
    assert main([*argv, "--threshold", "0.99", "--smallest-size", "0.99"]) == 0
    with (tmp_path / "masks" / "measurements.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    value = float(row["expected_dice"])
    line = f"expected Dice below 0.5: 1 mask, the lowest a.png with {value:.2f}"
    assert line in capsys.readouterr().out


def test_networks_are_averaged_by_the_command(bundle, tmp_path, capsys):
    other = write_tiny(tmp_path / "b.bmis", seed=1)
    argv = [
        "predict",
        str(bundle),
        str(tmp_path / "a.png"),
        "--with",
        str(other),
        "--threshold",
        "0.4",
    ]
    assert main([*argv, "--out", str(tmp_path / "masks")]) == 0
    assert "differ in their post-processing" in capsys.readouterr().err
    both = bmis.load([bundle, other], postprocessing={"threshold": 0.4}, probabilities=True)
    likely = [
        bmis.load(one, probabilities=True)(tmp_path / "a.png").probabilities
        for one in (bundle, other)
    ]
    mask = both(tmp_path / "a.png")
    np.testing.assert_allclose(mask.probabilities, np.mean(likely, 0), atol=0.02)
    np.testing.assert_array_equal(read_mask(tmp_path / "masks" / "a.png") > 0, mask.labels > 0)
    assert mask.expected_dice is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--threshold", "1.5"], "threshold must be a probability from 0.01 to 0.99, got 1.5"),
        (["--threshold", "nan"], "threshold must be a probability from 0.01 to 0.99, got nan"),
        (["--smallest-size", "50"], "smallest_size must be a share of the image from 0 to below 1"),
        (["--flips", "sideways"], "unknown flips 'sideways'"),
        (["--with", "nowhere.bmis"], "nowhere.bmis: no such file or folder"),
    ],
)
def test_impossible_values_are_refused_in_one_line(bundle, tmp_path, capsys, flags, message):
    argv = ["predict", str(bundle), str(tmp_path / "a.png"), "--out", str(tmp_path / "masks")]
    assert main([*argv, *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "masks").exists()


def changed(bundle, part, **values):
    content, members = unzip(bundle.read_bytes())
    content["info"][part] = {**content["info"][part], **values}
    bundle.write_bytes(rezip(content, members))
    return bundle


@pytest.mark.parametrize(
    ("part", "values", "match"),
    [
        ("postprocessing", {"threshold": 2}, "threshold must be a probability"),
        ("postprocessing", {"threshold": "0.5"}, "threshold must be a probability"),
        ("postprocessing", {"smallest_size": -1}, "smallest_size must be a share"),
        ("postprocessing", {"largest_piece": 1}, "largest_piece must be true or false"),
        ("postprocessing", {"flips": ["both"]}, "unknown flips"),
        ("postprocessing", {"run": "x"}, "unknown setting 'run' of PostProcessing"),
        ("confidence", {"slope": -1}, "slope must be a number from 0 to 100"),
        ("confidence", {"intercept": 1e9}, "intercept must be a number from -100 to 100"),
        ("confidence", {"empty": 1.5}, "empty must be a number from 0 to 1"),
    ],
)
def test_a_manifest_with_other_values_is_refused(bundle, part, values, match):
    with pytest.raises(BundleError, match=match) as caught:
        read_bundle(changed(bundle, part, **values))
    assert "\n" not in str(caught.value)


def test_a_bundle_of_the_first_version_is_read(bundle):
    content, members = unzip(bundle.read_bytes())
    assert content["format_version"] == 2
    content["format_version"] = 1
    del content["info"]["postprocessing"], content["info"]["confidence"]
    bundle.write_bytes(rezip(content, members))
    found = read_bundle(bundle).manifest.info
    assert (found.postprocessing, found.confidence) == (PostProcessing(), None)
