"""The engine in the browser, part by part, against the Python that it repeats; in Chromium."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image as Pillow

from bmis.config import Confidence, InputSpec, ModelConfig, ModelInfo, PostProcessing
from bmis.data.channels import to_channels
from bmis.data.images import read_image
from bmis.data.preprocess import fit, normalise, place, restore
from bmis.predict.confidence import SoftDice, expected_dice
from bmis.predict.decisions import arg_max
from bmis.predict.mask import Mask
from bmis.predict.ood import OodDetector, describe, fit_ood_reference
from bmis.predict.pieces import clean
from bmis.predict.predictor import Predictor
from bmis.predict.tiling import tiled
from bmis.runtime.probabilities import class_probabilities
from bmis.serve.answers import describe as describe_answer
from bmis.serve.app import PAGE
from bmis.serve.service import in_json
from helpers.bodies import png
from helpers.browser import chromium, handed_out
from helpers.folders import picture

pytestmark = pytest.mark.slow
KINDS = {"pixels": "Uint8Array", "labels": "Uint8Array", "floats": "Float32Array"}
# values that are {"kind", "values"} become typed arrays, and typed arrays in what is answered lists
CALL = """async ([file, source, given]) => {
  const typed = (value) => {
    if (Array.isArray(value)) return value.map(typed);
    if (value === null || typeof value !== "object") return value;
    if (value.kind) return new globalThis[value.kind](value.values);
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typed(one)]));
  };
  const plain = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  const part = await import(`/local/${file}.js`);
  const call = new Function("part", "given", `return (async () => (${source}))()`);
  return JSON.stringify(await call(part, typed(given)), plain);
}"""
# before version 13 Pillow scaled tall pictures in another order, which can move the last bit
ROUNDING = 0 if int(PIL.__version__.partition(".")[0]) >= 13 else 1
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def js():
    """Runs an expression of ``part``, a module of the engine, and ``given``, what is passed."""
    with handed_out(PAGE.parent) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(f"{server.address}page/icon.svg")

        def run(file, source, **given):
            return json.loads(page.evaluate(CALL, [file, source, given]))

        yield run


def array(values):
    kind = {"uint8": "Uint8Array", "float32": "Float32Array"}[str(values.dtype)]
    return {"kind": kind, "values": values.ravel().tolist()}


def shown(pixels):
    height, width, channels = pixels.shape
    return {"height": height, "width": width, "channels": channels, "pixels": array(pixels)}


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
            network={"classes": names, "colours": colours}, spacing=spacing,
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


DECODE = "part.decode(new Blob([Uint8Array.from(atob(given.text), (one) => one.charCodeAt(0))]))"
REFUSED = f"{DECODE}.then(() => 'opened', (error) => error.message)"


def saved(pixels, kind, **options):
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def interlaced(pixels):
    """A PNG with transparency whose rows come in seven passes, which Pillow does not write."""
    rows = b""
    for top, left, down, across in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        part = pixels[top::down, left::across]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 6, 0, 0, 1)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def by_every_filter(pixels, rows=None):
    """A PNG with transparency whose rows take turns in how they are told from their neighbours."""
    values = pixels.reshape(len(pixels), -1).astype(int)
    padded = np.pad(values, ((1, 0), (4, 0)))
    left, above, corner = padded[1:, :-4], padded[:-1, 4:], padded[:-1, :-4]
    near = [np.abs(left + above - corner - one) for one in (left, above, corner)]
    paeth = np.choose(np.argmin(near, 0), [left, above, corner])
    guesses = [np.zeros_like(left), left, above, (left + above) // 2, paeth]
    data = b"".join(
        bytes([row % 5]) + ((values[row] - guesses[row % 5][row]) % 256).astype(np.uint8).tobytes()
        for row in range(rows or len(values))
    )
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 6, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def files():
    colour, grey = picture(1, (37, 53)), picture(1, (37, 53))[..., 0]
    alpha = np.dstack([colour, RNG.integers(0, 256, grey.shape, np.uint8)])
    deep = (grey.astype(np.uint16) * 200 + RNG.integers(0, 99, grey.shape)).astype(np.uint16)
    turned = Pillow.Exif()
    turned[0x112] = 6
    palette = Pillow.fromarray(colour).quantize(16)
    of_palette, clear = io.BytesIO(), io.BytesIO()
    palette.save(of_palette, "PNG", bits=4)
    palette.save(clear, "PNG", bits=4, transparency=3)
    return {
        "colour.png": saved(colour, "PNG"),
        "grey.png": saved(grey, "PNG"),
        "bits.png": saved(grey > 99, "PNG"),
        "palette.png": of_palette.getvalue(),
        "clear.png": clear.getvalue(),
        "alpha.png": saved(alpha, "PNG"),
        "grey-alpha.png": saved(alpha[..., 2:], "PNG"),
        "deep.png": saved(deep, "PNG"),
        "even.png": saved(np.full_like(deep, 700), "PNG"),
        "interlaced.png": interlaced(alpha),
        "filters.png": by_every_filter(alpha),
        "colour.jpg": saved(colour, "JPEG"),
        "grey.jpg": saved(grey, "JPEG"),
        "turned.jpg": saved(colour, "JPEG", exif=turned),
        "progressive.jpg": saved(colour, "JPEG", progressive=True),
        "colour.bmp": saved(colour, "BMP"),
        "lossless.webp": saved(colour, "WEBP", lossless=True),
        "colour.gif": saved(grey, "GIF"),
    }


@pytest.mark.parametrize(("name", "content"), files().items(), ids=files())
def test_files_are_read_as_python_reads_them(js, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    wanted = read_image(path, channels=3).pixels
    found = js("decode", DECODE, text=base64.b64encode(content).decode())
    pixels = np.array(found["pixels"], np.uint8).reshape(*wanted.shape[:2], found["channels"])
    assert np.array_equal(to_channels(pixels, 3), wanted)


def film(kind):
    first, *others = [Pillow.fromarray(picture(seed, (20, 30))) for seed in range(3)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others)
    return stream.getvalue()


def broken():
    colour = picture(1, (60, 80))
    clear = np.dstack([colour, np.full((60, 80), 9, np.uint8)])
    whole = saved(clear, "PNG")
    wrong = whole.replace(zlib_of(whole), zlib_of(whole)[:-9] + bytes(9))
    return {
        "film.gif": (film("GIF"), "several"),
        "film.png": (film("PNG"), "several"),
        "film.webp": (film("WEBP"), "several"),
        "cut.png": (png()[:-40], "damaged"),
        "cut.jpg": (saved(colour, "JPEG")[:900], "damaged"),
        "cut.gif": (film("GIF")[:300], "several"),
        "wrong.png": (wrong, "damaged"),
        "short.png": (by_every_filter(clear, rows=50), "damaged"),
        "clear.webp": (saved(clear, "WEBP", lossless=True), "see_through"),
        "colour.tif": (saved(colour, "TIFF"), "not_here"),
        "study.dcm": (bytes(128) + b"DICM", "not_here"),
        "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_here"),
        "empty.png": (b"", "not_here"),
    }


def zlib_of(data):
    """The compressed rows of a PNG."""
    start = data.index(b"IDAT") + 4
    return data[start : data.index(b"IEND") - 8]


@pytest.mark.parametrize(("content", "why"), broken().values(), ids=broken())
def test_what_cannot_be_read_right_is_refused(js, content, why):
    assert js("decode", REFUSED, text=base64.b64encode(content).decode()) == why


def test_files_without_their_end_are_told_whatever_the_browser_makes_of_them(js):
    for kind, name in (("jpeg", "JPEG"), ("gif", "GIF")):
        content = saved(picture(1, (60, 80))[..., 0], name)
        for cut in (0, 2, 40):
            given = array(np.frombuffer(content[: len(content) - cut], np.uint8))
            assert js("decode", f"part.isCut('{kind}', given.it)", it=given) == bool(cut), (
                kind,
                cut,
            )
