"""Every resize rule brings the mask back to the image's own size and place."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bmis.data.images import Image, read_mask, write_image
from bmis.errors import BundleError, ConfigError, DataError, NoMemoryError
from bmis.predict.folder import predict_masks
from bmis.predict.load import load
from bmis.predict.mask import Mask
from bmis.predict.predictor import FrameLogits, Predictor
from helpers.bundles import write_tiny
from helpers.fakes import Brightness, info

RULES = ("squash", "letterbox", "native")


def blocks(height, width, channels=3):
    """A dark image with a bright and a middling rectangle, off centre; and its three labels."""
    labels = np.zeros((height, width), np.uint8)
    labels[height // 8 : height // 2, width // 4 : width // 2] = 2
    labels[height // 2 :, width // 2 : 7 * width // 8] = 1
    grey = np.array([20, 128, 235], np.uint8)[labels]
    return Image(np.repeat(grey[..., None], channels, 2), (0.5, 0.25)), labels


def agreement(mask, labels):
    assert mask.shape == labels.shape
    assert mask.dtype == np.uint8
    return (mask == labels).mean()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(96, 160), (160, 96), (64, 64), (20, 24)])
def test_masks_lie_where_the_objects_lie(rule, size):
    image, labels = blocks(*size)
    mask = Predictor(Brightness(3), info(3, size=(64, 48), resize=rule))(image)
    # a blurred edge between 0 and 2 passes through 1, so scaling costs a rim of one pixel
    assert agreement(mask.labels, labels) > (0.999 if rule == "native" else 0.93)
    assert mask.spacing == (0.5, 0.25)
    assert mask.probabilities is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (33, 5), (257, 130)])
def test_an_image_of_any_size_gets_a_mask(rule, size):
    image = Image(np.full((*size, 3), 240, np.uint8))
    mask = Predictor(Brightness(), info(resize=rule))(image)
    assert mask.labels.shape == size
    assert mask.labels.all()


def test_native_pixels_are_exact_whatever_the_tile():
    noise = np.random.default_rng(0).integers(0, 256, (75, 101, 1), np.uint8)
    truth = (noise[..., 0] > 127).astype(np.uint8)
    for tile in (None, 1, 16, 20, 1000):
        runtime = Brightness(batch=3)
        predictor = Predictor(runtime, info(channels=1, resize="native"), tile=tile)
        np.testing.assert_array_equal(predictor(Image(noise)).labels, truth)
        side = {None: 32, 1: 8, 16: 16, 20: 24, 1000: None}[tile]
        expected = {(side, side)} if side else {(80, 104)}  # whole, padded to the stride
        assert {shape[2:] for shape in runtime.shapes} == expected
        assert max(shape[0] for shape in runtime.shapes) == (3 if side else 1)


class Coarse(Brightness):
    """Sees blocks of 8 x 8 pixels, like a network whose features have an eighth of the size."""

    def __call__(self, batch):
        count, channels, height, width = batch.shape
        squares = batch.reshape(count, channels, height // 8, 8, width // 8, 8)
        means = squares.mean((3, 5)).repeat(8, 2).repeat(8, 3)
        return super().__call__(means)


@pytest.mark.parametrize("size", [(75, 101), (80, 104), (33, 130)])
def test_tiles_see_the_same_blocks_as_the_whole_image(size):
    image = Image(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    whole, tiles = (
        Predictor(Coarse(), info(resize="native"), tile=tile)(image).labels for tile in (1000, 32)
    )
    assert 0.1 < whole.mean() < 0.9
    np.testing.assert_array_equal(tiles, whole)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_probabilities_agree_with_the_labels(rule, classes):
    image, _ = blocks(70, 90)
    spec = info(classes, resize=rule)
    plain = Predictor(Brightness(classes), spec)(image)
    mask = Predictor(Brightness(classes), spec, keep_probabilities=True)(image)
    np.testing.assert_array_equal(mask.labels, plain.labels)
    assert mask.probabilities.shape == (classes, 70, 90)
    assert mask.probabilities.dtype == np.float32
    if classes == 1:
        np.testing.assert_array_equal(mask.probabilities[0] > 0.5, mask.labels)
        assert 0 < mask.labels.mean() < 1
    else:
        np.testing.assert_allclose(mask.probabilities.sum(0), 1, rtol=1e-5)
        np.testing.assert_array_equal(mask.probabilities.argmax(0), mask.labels)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_a_mask_says_where_the_network_is_unsure(rule, classes):
    image, _ = blocks(70, 90)
    ramp = np.linspace(0, 255, image.pixels.shape[1]).astype(np.uint8)
    image = Image(np.broadcast_to(ramp[:, None], image.pixels.shape).copy())
    spec = info(classes, resize=rule)
    plain = Predictor(Brightness(classes), spec, keep_probabilities=True)(image)
    mask = Predictor(Brightness(classes), spec, keep_unsure=True)(image)
    likely = plain.probabilities
    chosen = np.maximum(likely[0], 1 - likely[0]) if classes == 1 else likely.max(0)
    np.testing.assert_array_equal(mask.labels, plain.labels)
    assert (mask.unsure != (chosen < 0.75)).mean() < (0.05 if rule != "native" else 1e-9)
    assert 0.05 < mask.unsure.mean() < 0.95
    assert plain.unsure is None


@pytest.mark.filterwarnings("error")
def test_probabilities_are_those_of_softmax_and_sigmoid_even_for_huge_logits():
    class Constant(Brightness):
        def __call__(self, batch):
            values = {1: [-1000.0], 3: [1000.0, 999.0, -1000.0]}[self.num_classes]
            return np.zeros((1, 1, 32, 32), np.float32) + np.array(values, np.float32).reshape(
                1, -1, 1, 1
            )

    image = Image(np.zeros((5, 5, 3), np.uint8))
    for classes, expected in ((3, [0.7310586, 0.2689414, 0]), (1, [0])):
        mask = Predictor(Constant(classes), info(classes), keep_probabilities=True)(image)
        np.testing.assert_allclose(mask.probabilities[:, 2, 3], expected, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_an_image_gets_the_same_mask_alone_and_in_a_batch(rule):
    images = [blocks(*size)[0] for size in ((40, 60), (90, 33), (64, 64))]
    predictor = Predictor(Brightness(3), info(3, resize=rule))
    together = predictor.infer([predictor.prepare(image) for image in images])
    for image, found in zip(images, together, strict=True):
        np.testing.assert_array_equal(predictor.finish(found).labels, predictor(image).labels)


def test_grey_images_suit_colour_models_and_colour_images_grey_models():
    for have, want in ((1, 3), (3, 1)):
        image, labels = blocks(64, 64, have)
        mask = Predictor(Brightness(3), info(3, size=(64, 64), channels=want))(image)
        np.testing.assert_array_equal(mask.labels, labels)


def test_the_best_class_is_chosen_after_scaling_not_before():
    """Logits that step from 0 to 4, against 1: ten times larger, the edge lies off the step."""

    class Steep(Brightness):
        def __call__(self, batch):
            scores = np.ones((1, 2, 8, 8), np.float32)
            scores[:, 1] = 0
            scores[..., 1, :, 4:] = 4
            return scores

    mask = Predictor(Steep(), info(size=(8, 8)))(Image(np.zeros((8, 80, 3), np.uint8)))
    # columns 3 and 4 have their centres at 35 and 45, the ramp passes 1 at 37.5: beyond pixel 37
    assert mask.labels[0].tolist() == [0] * 38 + [1] * 42


@pytest.mark.parametrize("rule", ["squash", "letterbox"])
def test_tiles_are_for_native_models_only(rule):
    with pytest.raises(ConfigError, match=f"takes whole images .{rule} to 32x32.; leave tile out"):
        Predictor(Brightness(), info(resize=rule), tile=64)


def test_sizes_that_no_network_could_be_trained_at_are_refused():
    with pytest.raises(ConfigError, match="30x36 is no multiple of its stride 8; train it at 32x4"):
        Predictor(Brightness(), info(size=(30, 36)))
    with pytest.raises(ConfigError, match="from 1 to 16384 pixels, got 0"):
        Predictor(Brightness(), info(resize="native"), tile=0)


def test_a_network_that_breaks_its_promise_is_refused():
    image = Image(np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(BundleError, match=r"answered \(1, 3, 32, 32\) where .* \(1, 2, 32, 32\)"):
        Predictor(Brightness(3), info(2))(image)

    class Nan(Brightness):
        def __call__(self, batch):
            return super().__call__(batch) * np.float32("nan")

    with pytest.raises(DataError, match="not finite"):
        Predictor(Nan(), info())(image)


def test_prediction_itself_never_loads_torch():
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import bmis.predict.folder
from bmis.data.images import Image
from helpers.fakes import Brightness, info
bmis.predict.folder.Predictor(Brightness(), info())(Image(np.zeros((9, 9, 3), np.uint8)))
sys.exit("torch" in sys.modules or "scipy" in sys.modules)
"""
    folder = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", code, folder], check=True)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_way_to_give_an_image_gives_the_same_mask(tmp_path, channels):
    image, _ = blocks(64, 48, channels)
    write_image(tmp_path / "a.png", image.pixels)
    predictor = Predictor(Brightness(3), info(3, size=(32, 32), channels=channels))
    ways = [image, image.pixels, tmp_path / "a.png", str(tmp_path / "a.png")]
    ways += [image.pixels[..., 0]]  # all channels are equal
    ways += [image.pixels.transpose(2, 0, 1) / 255, torch.from_numpy(image.pixels)]
    for way in ways:
        np.testing.assert_array_equal(predictor(way).labels, predictor(image).labels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((8, 8, 3), 255.0),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, 8), np.uint8),
    ],
)
def test_pixels_that_are_no_image_are_refused(pixels):
    with pytest.raises(DataError, match="expected "):
        Predictor(Brightness(), info())(pixels)


class Small(Brightness):
    """Has memory for so many pixels."""

    room = 64 * 64

    def __call__(self, batch):
        if batch.size > 3 * self.room:
            raise NoMemoryError("not enough memory")
        return super().__call__(batch)


def test_tiles_become_smaller_where_memory_is_short(caplog):
    image, labels = blocks(300, 500)
    predictor = Predictor(Small(3), info(3, size=(256, 256), resize="native"))
    np.testing.assert_array_equal(predictor(image).labels, labels)
    np.testing.assert_array_equal(predictor(image).labels, labels)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [  # once, not for the second image again
        f"not enough memory: from here on in tiles of {side}x{side} pixels" for side in (128, 64)
    ]


def test_tiles_that_were_asked_for_stay_as_they_are():
    predictor = Predictor(Small(), info(size=(32, 32), resize="native"), tile=128)
    with pytest.raises(NoMemoryError):
        predictor(Image(np.zeros((200, 200, 3), np.uint8)))


def test_tiles_do_not_become_too_small_to_see_anything():
    runtime = Small()
    runtime.room = 8
    with pytest.raises(NoMemoryError):
        Predictor(runtime, info(size=(128, 128), resize="native"))(
            Image(np.zeros((200, 200, 3), np.uint8))
        )


def test_a_network_of_one_size_takes_no_other_tile():
    runtime = Brightness()
    runtime.size = (32, 32)
    spec = info(resize="native")
    mask = Predictor(runtime, spec)(Image(np.full((50, 70, 3), 240, np.uint8)))
    assert mask.labels.all()
    assert set(runtime.shapes) == {(1, 3, 32, 32)}
    assert Predictor(runtime, spec, tile=32)
    with pytest.raises(ConfigError, match="takes tiles of 32x32 only; leave tile out, or export"):
        Predictor(runtime, spec, tile=64)


def test_a_path_is_enough(tmp_path):
    write_tiny(tmp_path / "a.bmis", classes=3)
    image, _ = blocks(40, 50)
    write_image(tmp_path / "one.png", image.pixels)
    loaded = load(str(tmp_path / "a.bmis"), engine="onnxruntime", threads=1, probabilities=True)
    mask = loaded(tmp_path / "one.png")
    assert mask.labels.shape == (40, 50)
    np.testing.assert_allclose(mask.probabilities.sum(0), 1, atol=1e-5)
    done = predict_masks(tmp_path / "a.bmis", [tmp_path / "one.png"], tmp_path / "out")
    np.testing.assert_array_equal(read_mask(done.written[0]), mask.labels)


@pytest.mark.parametrize("rule", RULES)
def test_the_last_step_runs_without_the_network(rule):
    class Once(Brightness):
        closed = False

        def __call__(self, batch):
            assert not self.closed
            return super().__call__(batch)

    image, labels = blocks(64, 64)
    runtime = Once(3)
    predictor = Predictor(runtime, info(3, size=(64, 64), resize=rule))
    (found,) = predictor.infer([predictor.prepare(image)])
    runtime.closed = True
    np.testing.assert_array_equal(predictor.finish(found).labels, labels)
    assert isinstance(found, Mask if rule == "native" else FrameLogits)
