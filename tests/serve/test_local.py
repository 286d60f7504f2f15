"""The engine in the browser, part by part, against the Python that it repeats; in Chromium."""

import json

import numpy as np
import PIL
import pytest

from bmis.config import Confidence, InputSpec, ModelConfig, ModelInfo, PostProcessing
from bmis.data.channels import to_channels
from bmis.data.preprocess import fit, normalise, place, restore
from bmis.predict.confidence import SoftDice, expected_dice
from bmis.predict.decisions import arg_max
from bmis.predict.mask import DOES_NOT_HOLD, Mask
from bmis.predict.ood import OodDetector, describe, fit_ood_reference
from bmis.predict.pieces import clean
from bmis.predict.predictor import Predictor
from bmis.predict.tiling import tiled
from bmis.runtime.probabilities import class_probabilities
from bmis.serve.answers import describe as describe_answer
from bmis.serve.service import in_json
from helpers.javascript import array, running, shown

pytestmark = pytest.mark.slow
# before version 13 Pillow scaled tall pictures in another order, which can move the last bit
ROUNDING = 0 if int(PIL.__version__.partition(".")[0]) >= 13 else 1
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def js():
    with running() as run:
        yield run


def random_pixels(*shape):
    """Noise over a gradient, so that both the small and the large count."""
    slope = np.linspace(0, 200, shape[1])[None, :, None]
    return (slope + RNG.integers(0, 56, shape)).astype(np.uint8)


def blobs(height, width, classes=2):
    """A mask of pieces with holes, corners that touch, and single pixels."""
    noise = RNG.random((height // 4, width // 4))
    coarse = np.kron(noise > 0.55, np.ones((4, 4), bool))
    labels = (coarse * RNG.integers(1, classes, coarse.shape)).astype(np.uint8)
    return np.where(RNG.random(coarse.shape) > 0.97, 1 - labels.clip(0, 1), labels)


@pytest.mark.parametrize("rule", ["squash", "letterbox", "native"])
@pytest.mark.parametrize("size", [(97, 61), (300, 50), (40, 300), (224, 224), (15, 9)])
def test_frames_inputs_and_restored_scores_are_pythons_to_the_last_bit(js, rule, size):
    spec = InputSpec((64, 48), 3, (0.5, 0.4, 0.3), (0.5, 0.2, 0.25), resize=rule)
    pixels = random_pixels(*size, 3)
    frame, placement = fit(pixels, spec)
    source = "part.fit(given.picture, given.input)"
    found = js("preprocess", source, picture=shown(pixels), input=spec.to_dict())
    assert tuple(found["box"].values()) == placement.box
    apart = np.abs(np.array(found["frame"]["pixels"]) - frame.ravel())
    assert apart.max() <= ROUNDING
    source = "part.normalise(given.frame, given.input)"
    floats = js("preprocess", source, frame=shown(frame), input=spec.to_dict())
    assert np.array_equal(np.array(floats, np.float32), normalise(frame, spec).ravel())
    plane = RNG.normal(size=frame.shape[:2]).astype(np.float32)
    source = "part.restore(given.plane, given.wide, given.box, given.size)"
    values = {"plane": array(plane), "wide": frame.shape[1], "box": found["box"], "size": size}
    restored = np.array(js("preprocess", source, **values), np.float32)
    assert np.array_equal(restored, restore(plane[None], placement).ravel())


def test_letterboxes_are_rounded_as_in_python(js):
    spec = InputSpec((64, 64), resize="letterbox")
    for size in ((128, 5), (128, 3), (256, 10), (256, 14), (7, 512), (1000, 1)):
        found = js(
            "preprocess", "part.place(given.size, given.input)", size=size, input=spec.to_dict()
        )
        assert tuple(found.values()) == place(size, spec).box, size


def test_grey_of_colour_and_colour_of_grey(js):
    colour, grey = random_pixels(20, 30, 3), random_pixels(20, 30, 1)
    found = js("preprocess", "part.toGrey(given.it).pixels", it=shown(colour))
    assert found == to_channels(colour, 1).ravel().tolist()
    found = js("preprocess", "part.toColour(given.it).pixels", it=shown(grey))
    assert found == to_channels(grey, 3).ravel().tolist()


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (96, 40)])
def test_windows_are_merged_without_a_difference(js, size):
    pixels = random_pixels(*size, 1)

    def infer(windows):  # scores that depend on the place in the window, so that weights count
        planes = windows[..., 0].astype(np.float32)
        place = np.arange(1024, dtype=np.float32).reshape(32, 32)
        return np.stack([planes + place, -planes], 1)

    strips = list(tiled(pixels, (32, 32), infer, stride=8))
    source = """(async () => {
      const found = [], score = (pixels, at) => at < 1024 ? pixels[at] + at : -pixels[at - 1024];
      const infer = async ({ pixels }) =>
        Float32Array.from({ length: 2048 }, (_, at) => score(pixels, at));
      for await (const strip of part.tiled(given.it, [32, 32], 8, infer)) found.push(strip);
      return found;
    })()"""
    found = js("tiles", source, it=shown(pixels))
    assert [one["top"] for one in found] == [top for top, _ in strips]
    for one, (_, scores) in zip(found, strips, strict=True):
        ours = np.array(one["planes"], np.float32).reshape(scores.shape)
        np.testing.assert_allclose(ours, scores, rtol=1e-5)


@pytest.mark.parametrize(("classes", "threshold"), [(1, 0.5), (2, 0.5), (2, 0.3), (4, 0.5)])
def test_classes_probabilities_and_the_expected_dice(js, classes, threshold):
    logits = RNG.normal(scale=3, size=(classes, 20, 30)).astype(np.float32)
    logits[:, :3] = 1  # equal scores
    planes = [array(plane) for plane in logits]
    found = js(
        "decide",
        "part.classesOf(given.planes, given.threshold)",
        planes=planes,
        threshold=threshold,
    )
    assert found == arg_max(logits, threshold).ravel().tolist()
    found = js("decide", "part.probabilitiesOf(given.planes)", planes=planes)
    np.testing.assert_allclose(
        found, class_probabilities(logits.copy()).reshape(classes, -1), rtol=1e-5
    )
    soft = SoftDice(classes, threshold)
    soft.add(logits)
    source = """(() => {
      const soft = new part.SoftDice(given.planes.length, given.threshold);
      soft.add(given.planes);
      const expected = [soft.value(), null].map((one) => part.expectedDice(one, given.confidence));
      return [soft.value(), ...expected];
    })()"""
    confidence = Confidence(-1.1, 0.96, 0.25)
    found = js(
        "decide", source, planes=planes, threshold=threshold, confidence=confidence.to_dict()
    )
    wanted = [soft.value(), expected_dice(soft.value(), confidence), 0.25]
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "rules",
    [
        {"largest_piece": True},
        {"fill_holes": True},
        {"smallest_size": 0.004},
        {"largest_piece": True, "fill_holes": True, "smallest_size": 0.002},
    ],
)
def test_the_rules_on_pieces(js, rules):
    rules = PostProcessing(**rules)
    masks = (blobs(40, 64), blobs(44, 40, classes=4), np.zeros((4, 5), np.uint8))
    assert (clean(masks[0], rules) != masks[0]).any()  # the rule does something
    for labels in masks:
        source = "(part.clean(given.labels, given.size, given.rules), given.labels)"
        found = js("pieces", source, labels=array(labels), size=labels.shape, rules=rules.to_dict())
        assert found == clean(labels, rules).ravel().tolist()


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("spacing", [None, (0.5, 0.25)])
def test_the_answer_is_that_of_the_service(js, classes, spacing):
    names = ("background", *(f"class {at}" for at in range(1, classes)))[:classes]
    info = ModelInfo(ModelConfig(num_classes=classes), InputSpec(), names)
    masks = [blobs(40, 64, max(2, classes)), np.zeros((5, 7), np.uint8), np.ones((3, 4), np.uint8)]
    source = """part.describePicture("a", given.it, given.found, {
      network: given.network, spacing: given.spacing, inPng: null,
    })"""
    colours = [[0, 0, 0], [60, 190, 255], [255, 165, 0], [0, 200, 140]]
    for labels in masks:
        found = {
            "labels": array(labels),
            "probabilities": None,
            "ood_score": 1.5,
            "expected_dice": 0.5,
        }
        answered = js(
            "answer", source, it={"height": labels.shape[0], "width": labels.shape[1]}, found=found,
            network={"classes": names, "colours": colours, "does_not_hold": DOES_NOT_HOLD},
            spacing=spacing,
        )  # fmt: skip
        mask = Mask(labels, spacing=spacing, ood_score=1.5, expected_dice=0.5)
        wanted = json.loads(in_json(describe_answer("a", mask, info)))
        assert answered.keys() == wanted.keys()
        for ours, theirs in zip(answered.pop("regions"), wanted.pop("regions"), strict=True):
            assert ours.keys() == theirs.keys()
            for key, value in theirs.items():
                exact = key in ("polygons", "rle")
                assert ours[key] == (value if exact else pytest.approx(value)), key
        assert answered == wanted


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_and_scores_of_pictures(js, channels):
    examples = [random_pixels(50 + at, 70, channels) for at in range(12)]
    reference = fit_ood_reference([describe(one) for one in examples])
    for pixels in (examples[0], 255 - examples[1], random_pixels(300, 200, channels)):
        wanted = describe(pixels)
        found = js("ood", "part.describe(given.it)", it=shown(pixels))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        source = "part.oodScore(part.describe(given.it), given.ood)"
        score = js("ood", source, it=shown(pixels), ood=reference.to_dict())
        assert score == pytest.approx(OodDetector(reference)(wanted), rel=1e-3)


@pytest.mark.parametrize("rule", ["squash", "letterbox", "native"])
def test_a_whole_prediction(js, rule):
    """A network whose logits are sums of its input: what is around it must place them right."""
    info = ModelInfo(
        ModelConfig(num_classes=2),
        InputSpec((32, 48), resize=rule),
        ("background", "blob"),
        postprocessing=PostProcessing(largest_piece=True, threshold=0.4),
        confidence=Confidence(0.1, 0.9, 0.2),
    )

    class Sum:
        stride, size, batch = 8, None, 1

        def __call__(self, batch):
            total = batch.sum(1, dtype=np.float32)
            return np.stack([np.zeros_like(total), total], 1)

    source = """(async () => {
      const infer = async (floats, channels, height, width) => {
        const made = new Float32Array(2 * height * width);
        const count = height * width;
        floats.forEach((value, at) => (made[count + (at % count)] += value));
        return made;
      };
      return part.predict({ ...given.network, infer }, given.it, { probability: true });
    })()"""
    plain = info.to_dict()
    predictor = Predictor(Sum(), info, keep_probabilities=True)
    for size in ((40, 70), (20, 30), (32, 48)):
        pixels = random_pixels(*size, 3)
        mask = predictor(pixels)
        found = js("predict", source, it=shown(pixels), network={**plain, "stride": 8})
        assert mask.labels.any()
        assert found["labels"] == mask.labels.ravel().tolist()
        np.testing.assert_allclose(
            found["probabilities"][1], mask.probabilities[1].ravel(), atol=1e-5
        )
        assert found["expected_dice"] == pytest.approx(mask.expected_dice, rel=1e-4)
        assert found["ood_score"] is None
