"""A list of image files becomes masks, a table and pictures, whatever some of the files are."""

import csv
import errno
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import bmis.predict.folder
from bmis.cli.console import warn_out_of_distribution
from bmis.config import Confidence, InputSpec, ModelConfig, ModelInfo, RuntimeOptions
from bmis.data.images import read_image, read_mask, write_image
from bmis.errors import BmisError, BundleError, ConfigError, DataError, NoMemoryError
from bmis.models import build_model
from bmis.models.checkpoint import save_model
from bmis.predict.folder import Prediction, predict_masks, write_masks
from bmis.predict.ood import describe, fit_ood_reference
from bmis.predict.predictor import Predictor
from helpers.fakes import Brightness, info

SIZES = ((24, 40), (40, 24), (32, 32), (65, 33), (8, 90), (50, 50), (31, 31))


def picture(height, width):
    """Dark, with a bright rectangle of a quarter of the height and half of the width."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 4 + width // 2] = 230
    return pixels


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [folder / f"image {n}.png" for n in range(len(SIZES))]
    for path, size in zip(paths, SIZES, strict=True):
        write_image(path, picture(*size))
    return paths


@pytest.fixture
def predictor():
    return Predictor(Brightness(), info(resize="native"))


def table(prediction: Prediction):
    with prediction.measurements.open(newline="") as stream:
        return list(csv.DictReader(stream))


def nothing_is_left(out: Path):
    """No thread of the stream, no temporary file."""
    threads = [t.name for t in threading.enumerate() if t.name.startswith("bmis-")]
    return threads == [] and [p for p in out.rglob("*") if ".tmp" in p.name] == []


def test_masks_have_the_size_and_name_of_their_images(images, predictor, tmp_path):
    out = tmp_path / "new" / "out"
    prediction = write_masks(predictor, images, out)
    assert prediction.written == [out / path.name for path in images]
    assert prediction.failed == []
    for path, size in zip(prediction.written, SIZES, strict=True):
        np.testing.assert_array_equal(read_mask(path), 255 * (picture(*size)[..., 0] > 127))
    assert sorted(p.name for p in out.iterdir()) == sorted(
        ["measurements.csv", "objects.csv", *(path.name for path in images)]
    )
    assert nothing_is_left(out)


def test_images_out_of_distribution_are_named(images, tmp_path, capsys):
    reference = fit_ood_reference([describe(picture(22 + n, 42 - n)) for n in range(20)])
    predictor = Predictor(Brightness(), replace(info(), ood=reference))
    odd = images[0].parent / "odd.png"
    write_image(odd, np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8))
    prediction = write_masks(predictor, [odd, images[2]], tmp_path / "out")
    ((path, value),) = prediction.out_of_distribution
    assert path == odd
    outside, inside = (float(row["ood_score"]) for row in table(prediction))
    assert outside == pytest.approx(value, rel=1e-4)
    assert inside <= 1 < outside
    assert predictor(odd).ood_score == value
    warn_out_of_distribution(prediction.out_of_distribution * 12)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert str(odd) in lines[0]
    assert "and 2 more" in lines[-1]


def test_measurements_are_those_of_the_mask(images, predictor, tmp_path):
    prediction = write_masks(predictor, images[:1], tmp_path / "out", spacing=(0.5, 2.0))
    (row,) = table(prediction)  # 24 x 40: the rectangle is 6 high, 20 wide
    assert row == {
        "id": "image 0",
        "file": str(images[0]),
        "class": "class 1",
        "area_px": "120",
        "area_mm2": "120",
        "fraction": "0.125",
        "top": "6",
        "left": "10",
        "height": "6",
        "width": "20",
        "row": "9",
        "column": "20",
        "diameter_px": "20.8806",
        "diameter_mm": "40.1123",
        "ood_score": "",
        "expected_dice": "",
        "objects": "1",
    }


def test_each_object_has_a_row_of_its_own(tmp_path):
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[2:6, 3:6], pixels[10:22, 30:39] = 255, 255
    write_image(tmp_path / "cells.png", pixels)
    predictor = Predictor(Brightness(), info(resize="native"))
    out = tmp_path / "out"
    prediction = write_masks(predictor, [tmp_path / "cells.png"], out, spacing=(0.5, 2.0))
    (row,) = table(prediction)
    assert (row["objects"], row["area_px"]) == ("2", "120")
    first, second = table(Prediction([], [], out / "objects.csv"))
    assert first == {
        "id": "cells",
        "file": str(tmp_path / "cells.png"),
        "class": "class 1",
        "object": "1",
        "area_px": "12",
        "area_mm2": "12",
        "fraction": "0.0125",
        "top": "2",
        "left": "3",
        "height": "4",
        "width": "3",
        "row": "4",
        "column": "4.5",
        "diameter_px": "5",
        "diameter_mm": "6.32456",
    }
    assert (second["object"], second["area_px"], second["diameter_px"]) == ("2", "108", "15")


def test_every_foreground_class_has_its_row_even_when_absent(images, tmp_path):
    predictor = Predictor(Brightness(3), info(3, resize="native"))
    prediction = write_masks(predictor, images[:2], tmp_path / "out")
    rows = table(prediction)
    assert [(row["id"], row["class"]) for row in rows] == [
        (f"image {n}", f"class {k}") for n in (0, 1) for k in (1, 2)
    ]
    assert (rows[0]["area_px"], rows[0]["top"], rows[0]["diameter_px"]) == ("0", "", "")
    assert (rows[1]["area_px"], rows[1]["area_mm2"]) == ("120", "")
    assert set(np.unique(read_mask(prediction.written[0]))) == {0, 2}


def test_a_network_with_one_class_writes_and_measures_it(images, tmp_path):
    predictor = Predictor(Brightness(1), info(1, resize="native"))
    prediction = write_masks(predictor, images[:1], tmp_path / "out")
    assert [(row["class"], row["area_px"]) for row in table(prediction)] == [("class 0", "120")]
    assert set(np.unique(read_mask(prediction.written[0]))) == {0, 255}


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("rule", ["squash", "letterbox", "native"])
def test_a_folder_gives_what_each_image_gives_alone(images, tmp_path, batch, rule):
    predictor = Predictor(Brightness(3), info(3, resize=rule))
    prediction = write_masks(predictor, images, tmp_path / "out", batch=batch)
    for path, mask in zip(images, prediction.written, strict=True):
        np.testing.assert_array_equal(read_mask(mask), predictor(read_image(path)).labels)


def test_batches_reach_the_network(images, tmp_path):
    runtime = Brightness(batch=4)
    write_masks(Predictor(runtime, info()), images, tmp_path / "out")
    assert runtime.shapes == [(4, 3, 32, 32), (3, 3, 32, 32)]


def test_each_mask_is_told_in_a_few_words(tmp_path):
    pixels = np.zeros((32, 32, 3), np.uint8)
    write_image(tmp_path / "none.png", pixels)
    pixels[4:8, 4:7] = pixels[20:24, 20:23] = 255
    write_image(tmp_path / "two.png", pixels)
    sure = replace(info(), confidence=Confidence(intercept=0.0, slope=0.0, empty=0.25))
    files = [tmp_path / "two.png", tmp_path / "none.png"]
    for spacing, size in ((None, "28 px"), ((0.5, 0.5), "13.8 mm")):
        done = write_masks(Predictor(Brightness(), sure), files, tmp_path / "out", spacing=spacing)
        assert [words for _, words in done.findings] == [
            f"class 1 {size} in 2 pieces, expected Dice 0.50",
            "nothing found, expected Dice 0.25",
        ]
        assert [path for path, _ in done.findings] == files


def test_overlays_and_probabilities_on_request(images, tmp_path):
    predictor = Predictor(Brightness(), info(resize="native"), keep_probabilities=True)
    out = tmp_path / "out"
    prediction = write_masks(predictor, images[:2], out, overlay=True)
    for path, mask in zip(images, prediction.written, strict=False):
        scores = np.load(out / "probabilities" / f"{path.stem}.npy")
        labels = read_mask(mask) // 255
        assert scores.dtype == np.float16
        np.testing.assert_array_equal(scores.argmax(0), labels)
        drawn, plain = read_image(out / "overlays" / path.name).pixels, read_image(path).pixels
        assert (drawn != plain).any(-1)[labels == 1].any()
        np.testing.assert_array_equal(drawn[0, 0], plain[0, 0])
    assert nothing_is_left(out)


def test_bad_images_are_listed_and_the_others_done(images, predictor, tmp_path):
    images[1].write_text("no image at all")
    images[3].write_bytes(images[0].read_bytes()[:60])
    images[4].write_bytes(b"")
    images[6].unlink()
    prediction = write_masks(predictor, images, tmp_path / "out", batch=2)
    good = [images[n] for n in (0, 2, 5)]
    assert [path.name for path in prediction.written] == [path.name for path in good]
    assert [path for path, _ in prediction.failed] == [images[n] for n in (1, 3, 4, 6)]
    for path, line in prediction.failed:
        assert str(path) in line
        assert "\n" not in line
    assert [row["id"] for row in table(prediction)] == [path.stem for path in good]
    assert len(list((tmp_path / "out").iterdir())) == len(good) + 2


@pytest.mark.parametrize("error", [ConfigError("not enough memory for this"), MemoryError()])
def test_an_image_that_the_network_refuses_does_not_spoil_its_batch(images, tmp_path, error):
    class Picky(Brightness):
        def __call__(self, batch):
            if (batch[:, :, 0, 0] > 0.9).any():  # the white picture
                raise error
            return super().__call__(batch)

    write_image(images[2], np.full((9, 9, 3), 255, np.uint8))
    prediction = write_masks(Predictor(Picky(), info()), images, tmp_path / "out", batch=4)
    assert [path for path, _ in prediction.failed] == [images[2]]
    assert "not enough memory" in prediction.failed[0][1]
    assert len(prediction.written) == len(images) - 1


def test_a_list_of_bad_images_is_no_error(images, predictor, tmp_path):
    for path in images:
        path.write_bytes(b"x")
    prediction = write_masks(predictor, images, tmp_path / "out")
    assert (prediction.written, len(prediction.failed)) == ([], len(images))
    assert table(prediction) == []


def test_results_that_would_share_a_name_are_refused_first(images, predictor, tmp_path):
    other = tmp_path / "in" / "IMAGE 0.jpg"
    write_image(other.with_suffix(".png"), picture(9, 9))
    other.with_suffix(".png").rename(other)
    elsewhere = tmp_path / "more" / "image 1.png"
    for paths in ([*images, other], [*images, elsewhere], [images[0], images[0]]):
        with pytest.raises(ConfigError, match=r"would both be written as .*\.png; rename one"):
            write_masks(predictor, paths, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["in", "other/../in", "link", "."])
def test_the_images_are_never_written_over(images, tmp_path, where):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    predictor = Predictor(Brightness(), info())
    if where == ".":  # the images lie where the overlays would go
        (tmp_path / "in").rename(tmp_path / "overlays")
        images = [tmp_path / "overlays" / path.name for path in images]
    before = [path.read_bytes() for path in images]
    with pytest.raises(ConfigError, match="choose another output folder"):
        write_masks(predictor, images, tmp_path / where, overlay=where == ".")
    assert [path.read_bytes() for path in images] == before
    assert list(tmp_path.rglob("measurements.csv")) == []


def test_links_to_images_are_not_written_over_either(images, tmp_path):
    """Neither the links, in a folder that is itself reached by one, nor what they lead to."""
    (tmp_path / "links").mkdir()
    for path in images:
        (tmp_path / "links" / path.name).symlink_to(path)
    (tmp_path / "again").symlink_to(tmp_path / "links")
    links = [tmp_path / "again" / path.name for path in images]
    for out in ("links", "in"):
        with pytest.raises(ConfigError, match="choose another output folder"):
            write_masks(Predictor(Brightness(), info()), links, tmp_path / out)
    assert all(path.is_symlink() for path in links)


def test_no_images_and_impossible_spacings_are_refused(images, predictor, tmp_path):
    with pytest.raises(DataError, match="no images to predict"):
        write_masks(predictor, [], tmp_path / "out")
    for spacing in ((0, 1), (1, float("nan")), (1.0,)):
        with pytest.raises(ConfigError, match="spacing must be two numbers above 0"):
            write_masks(predictor, images, tmp_path / "out", spacing=spacing)


def test_an_output_that_is_a_file_is_refused(images, predictor, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DataError, match="cannot write here"):
        write_masks(predictor, images, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_earlier_results_are_replaced(images, predictor, tmp_path):
    write_masks(predictor, images, tmp_path / "out")
    write_image(images[0], np.full((12, 13, 3), 250, np.uint8))
    prediction = write_masks(predictor, images[:1], tmp_path / "out")
    assert read_mask(prediction.written[0]).shape == (12, 13)
    assert len(table(prediction)) == 1


def test_a_full_disk_stops_everything_with_one_line(images, predictor, tmp_path, monkeypatch):
    real, calls = bmis.predict.folder.write_mask, []

    def write_mask(path, labels, num_classes):
        calls.append(path)
        if len(calls) == 3:
            raise DataError(f"{path}: cannot be written ({errno.errorcode[errno.ENOSPC]})")
        real(path, labels, num_classes)

    monkeypatch.setattr(bmis.predict.folder, "write_mask", write_mask)
    many = [images[0].with_name(f"copy {n}.png") for n in range(40)]
    for path in many:
        path.write_bytes(images[0].read_bytes())
    with pytest.raises(DataError, match=r"copy 2\.png: cannot be written"):
        write_masks(predictor, many, tmp_path / "out")
    assert len(calls) < 8
    assert nothing_is_left(tmp_path / "out")


def test_an_interrupt_leaves_whole_files_and_the_table_of_them(images, tmp_path):
    class Interrupted(Brightness):
        def __call__(self, batch):
            if len(self.shapes) == 5:
                raise KeyboardInterrupt
            return super().__call__(batch)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        write_masks(Predictor(Interrupted(), info()), images, out)
    assert nothing_is_left(out)
    masks = sorted(out.glob("*.png"))
    assert 3 <= len(masks) <= 5
    for path in masks:
        read_mask(path)
    rows = table(Prediction([], [], out / "measurements.csv"))
    assert [row["id"] for row in rows] == [path.stem for path in masks]


def test_memory_does_not_grow_with_the_number_of_images(images, tmp_path):
    write_image(images[0], picture(120, 180))

    def peak(count):
        paths = [images[0].with_name(f"{count} {n}.png") for n in range(count)]
        for path in paths:
            path.hardlink_to(images[0])
        predictor = Predictor(Brightness(), info(size=(96, 96)))
        tracemalloc.start()
        write_masks(predictor, paths, tmp_path / f"out {count}")
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(5)  # first use fills caches
    # A frame has 27 kB, a picture 65 kB. How many wait at once depends on the threads, so the peak
    # varies by some of them, but far less than 48 more would take.
    assert peak(60) - peak(12) < 48 * 27_000 / 2


@pytest.mark.parametrize("rule", ["squash", "native"])
def test_from_a_run_folder_to_masks(images, tmp_path, rule):
    torch.manual_seed(0)
    options = {"widths": (4, 6, 8), "depths": (1, 1)}
    spec = InputSpec(size=(32, 32), resize=rule)
    save_model(
        tmp_path / "model.safetensors",
        build_model("bmis", **options),
        ModelInfo(ModelConfig("bmis", 3, 2, options), spec, ("background", "lesion")),
    )
    prediction = predict_masks(
        tmp_path,
        images,
        tmp_path / "out",
        probabilities=True,
        overlay=True,
        options=RuntimeOptions("cpu"),
    )
    assert len(prediction.written) == len(images)
    assert [row["class"] for row in table(prediction)] == ["lesion"] * len(images)
    for path, size in zip(images, SIZES, strict=True):
        scores = np.load(tmp_path / "out" / "probabilities" / f"{path.stem}.npy")
        assert scores.shape == (2, *size)
        np.testing.assert_allclose(scores.sum(0), 1, atol=2e-3)
    if rule == "squash":
        with pytest.raises(BmisError, match="leave tile out"):
            predict_masks(tmp_path, images, tmp_path / "out", tile=64)


class Failing(Brightness):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def __call__(self, batch):
        raise self.error


def test_an_error_of_the_network_stops_at_the_first_image(images, tmp_path):
    with pytest.raises(BundleError, match="odd graph"):
        write_masks(Predictor(Failing(BundleError("odd graph")), info()), images, tmp_path / "out")
    with pytest.raises(NoMemoryError, match="too big"):  # no other image is smaller
        write_masks(Predictor(Failing(NoMemoryError("too big")), info()), images, tmp_path / "out")


def test_images_of_other_sizes_are_tried_when_one_does_not_fit(images, tmp_path):
    predictor = Predictor(Failing(NoMemoryError("too big")), info(resize="native"))
    done = write_masks(predictor, images, tmp_path / "out")
    assert done.failed == [(path, "too big") for path in images]
