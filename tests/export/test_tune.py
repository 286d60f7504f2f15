"""Post-processing chosen on validation images, and the calibration of the expected Dice."""

import csv
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bmis.config import PostProcessing
from bmis.data.cases import load_case, load_counted
from bmis.data.folder import open_dataset
from bmis.errors import ConfigError, DataError
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.export.after_network import AfterNetwork
from bmis.export.answers import Answer, PackedMask, collect_answers
from bmis.export.confidence import calibrate
from bmis.export.settings import ExportOptions
from bmis.export.tune import tune
from bmis.metrics import PairedDifference, score_case
from bmis.metrics.calibration import auroc, error_in_tenths
from bmis.predict.predictor import Predictor
from helpers.fakes import Brightness, info

SIZE = (32, 40)


def answer(number, likely, truth):
    """What a network of two classes would answer with these probabilities."""
    likely = np.clip(likely, 0.01, 0.99)
    odds = np.log(likely / (1 - likely))[None].astype(np.float16)
    return Answer(str(number), odds, 2, PackedMask.of(truth.astype(np.uint8)), None)


def discs(count, *, specks=0, level=0.9, seed=0):
    """Discs that are found with some blur; ``specks`` false pixels a pair beside them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for number in range(count):
        row, column, radius = rng.integers(12, 20), rng.integers(14, 26), rng.integers(6, 10)
        far = np.hypot(rows - row, columns - column) - radius
        likely = level / (1 + np.exp(far - rng.normal(0, 0.3)))
        for _ in range(specks):
            likely[rng.integers(0, 2), rng.integers(0, 38)] = 0.95
        yield answer(number, likely, far < 0)


def test_what_helps_is_kept_and_what_does_not_is_told():
    found = tune(list(discs(30, specks=3)))
    assert found.rules.smallest_size > 0
    assert not found.rules.largest_piece  # nothing is left for it to do
    assert found.images == 30
    assert found.after > found.before + 0.001
    kept = [one.changes for one in found.tries if one.kept]
    assert {name: value for one in kept for name, value in one.items()} == found.rules.changes()
    assert {name for one in found.tries for name in one.changes} == {
        "threshold", "smallest_size", "fill_holes", "largest_piece"
    }  # fmt: skip


def test_a_network_that_is_too_shy_gets_a_lower_threshold():
    found = tune(list(discs(30, level=0.55)))
    assert found.rules.threshold < 0.5
    best = max(one.gain.mean for one in found.tries if "threshold" in one.changes)
    assert found.after - found.before == pytest.approx(best)
    assert best > 0.05


def test_chance_is_not_kept():
    """A tie on nearly all images, and a gain on some by luck."""
    rng = np.random.default_rng(0)
    answers = list(discs(25))
    for number in range(3):
        likely = np.full(SIZE, 0.02)
        likely[5:15, 5:15] = rng.choice([0.45, 0.55])
        answers.append(answer(f"odd{number}", likely, likely > 0.3))
    rules = tune(answers).rules
    assert rules == PostProcessing()


def test_flips_are_tried_where_they_are_given():
    plain, flipped = list(discs(25, level=0.45)), list(discs(25))
    found = tune(plain, flipped, "horizontal")
    assert found.tries[-1].changes == {"flips": "horizontal"}
    assert found.rules.flips == ("horizontal" if found.tries[-1].kept else "none")
    assert tune(flipped, flipped, "both").rules.flips == "none"  # no gain, and twice the time


@pytest.fixture
def dataset(tmp_path):
    return write(tmp_path / "data", 24)


def write(root, count, *, classes=2, fov=False):
    """Grey squares in images that ``Brightness`` understands; one split, "val"."""
    rng = np.random.default_rng(0)
    folders = [root / name for name in ("images", "masks", *(["fov"] if fov else []))]
    for folder in folders:
        folder.mkdir(parents=True)
    rows = [("id", "split")]
    for number in range(count):
        truth = np.zeros((48, 40), np.uint8)
        top, left = rng.integers(0, 24, 2)
        truth[top : top + 20, left : left + 16] = 1 + number % (classes - 1)
        grey = (truth + 0.5) / classes * 255 + rng.normal(0, 30, truth.shape)
        pixels = np.clip(grey, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).convert("RGB").save(folders[0] / f"{number}.png")
        Image.fromarray(truth).save(folders[1] / f"{number}.png")
        if fov:
            inside = np.zeros_like(truth)
            inside[:30] = 255
            Image.fromarray(inside).save(folders[2] / f"{number}.png")
        rows.append((str(number), "val"))
    with (root / "splits.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    names = ["background", "a", "b"][:classes]
    (root / "dataset.yaml").write_text(f"classes: [{', '.join(names)}]\nchannels: 3\n")
    return open_dataset(root)


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("rule", ["squash", "letterbox", "native"])
def test_answers_give_the_masks_and_the_expected_dice_of_a_predictor(tmp_path, classes, rule):
    data = write(tmp_path / "data", 20, classes=max(classes, 2), fov=True)
    rules = PostProcessing(smallest_size=0.01, threshold=0.5 if classes > 2 else 0.4)
    runtime, known = Brightness(classes), info(classes, resize=rule, size=(32, 32))
    answers = collect_answers(runtime, known, data, data.cases)
    confidence, told = calibrate(answers, rules)
    assert told["images"] == 20
    predictor = Predictor(runtime, replace(known, postprocessing=rules, confidence=confidence))
    for case, found in zip(data.cases, answers, strict=True):
        image, labels = load_case(case, data)
        truth, inside = load_counted(case, labels)
        mask = predictor(image)
        (ours,) = found.masks([rules])
        assert (ours != mask.labels).mean() < 0.02  # half precision, and ties
        score = score_case(ours, truth, data.num_classes, field_of_view=inside)
        assert found.dice([ours]) == [pytest.approx(score.mean["dice"])]
        assert mask.expected_dice is not None
    assert calibrate(answers[1:] * 2, rules) == (None, {})  # 19 images, however often


def test_perturbed_answers_are_of_images_that_were_changed_in_a_way_of_their_name(tmp_path):
    data = write(tmp_path / "data", 6, fov=True)
    runtime, known = Brightness(), info(size=(32, 32))
    changed = collect_answers(runtime, known, data, data.cases, perturbed=True)
    for case, found in zip(data.cases, changed, strict=True):
        image, labels = load_case(case, data)
        way = PERTURBATIONS[zlib.crc32(case.id.encode()) % len(PERTURBATIONS)]
        sample = way(Sample(image.pixels, *load_counted(case, labels)), case.id)
        mask = Predictor(runtime, known)(sample.pixels).labels
        (ours,) = found.masks([PostProcessing()])
        assert (ours != mask).mean() < 0.02  # half precision, and ties
        score = score_case(ours, sample.labels, 2, field_of_view=sample.counted)
        assert found.dice([ours]) == [pytest.approx(score.mean["dice"])]


def test_what_is_calibrated_has_seen_perturbed_images_too(dataset):
    after = AfterNetwork(info(), dataset, ExportOptions())
    after.settle(Brightness())
    both = [
        answer
        for perturbed in (False, True)
        for answer in collect_answers(
            Brightness(), info(), dataset, dataset.cases, perturbed=perturbed
        )
    ]
    assert after.info.confidence == calibrate(both, PostProcessing())[0]


def test_the_gain_is_that_of_the_bundle(dataset):
    """Images that cannot be read are left out and named."""
    (dataset.root / "images" / "3.png").write_bytes(b"no image")
    after = AfterNetwork(info(), dataset, ExportOptions(tune=True))
    after.settle(Brightness())
    assert after.tuned.images == 23
    assert after.info.postprocessing == after.tuned.rules
    assert after.quality["tuned"]["dice_after"] == after.tuned.after
    predictor = Predictor(Brightness(), after.info)
    dice = []
    for case in dataset.cases:
        if case.id != "3":
            image, truth = load_case(case, dataset)
            dice.append(score_case(predictor(image).labels, truth, 2).mean["dice"])
    assert np.mean(dice) == pytest.approx(after.tuned.after, abs=2e-3)


def test_without_enough_validation_images_it_says_so_and_does_nothing(tmp_path):
    few = write(tmp_path / "few", 3)
    with pytest.raises(DataError, match=r"20 validation images or more are needed .* there are 3"):
        AfterNetwork(info(), few, ExportOptions(tune=True))
    after = AfterNetwork(info(), few, ExportOptions(postprocessing=PostProcessing(threshold=0.4)))
    after.settle(Brightness())
    assert (after.info.postprocessing.threshold, after.info.confidence) == (0.4, None)
    assert after.quality == {}


def test_what_is_chosen_cannot_be_given_too():
    with pytest.raises(ConfigError, match="tune chooses largest_piece by itself; leave one"):
        ExportOptions(tune=True, postprocessing=PostProcessing(largest_piece=True))
    assert ExportOptions(tune=True, postprocessing=PostProcessing(flips="both")).tune


def test_agreement_of_expected_and_real():
    assert auroc([1, 2, 3, 3], [True, False, True, False]) == pytest.approx(2.5 / 4)
    assert auroc([1, 2], [False, False]) is None
    expected = np.linspace(0, 1, 100)
    errors = error_in_tenths(list(expected), list(expected[::-1]))
    assert len(errors) == 10
    assert errors[0] == pytest.approx(-errors[-1])
    assert sum(errors) == pytest.approx(0)


@pytest.mark.parametrize(("p", "kept"), [(0.02, False), (0.0001, True)])
def test_p_is_corrected_for_all_that_is_tried(monkeypatch, p, kept):
    gain = PairedDifference(30, 0.02, (0.01, 0.03), p)
    monkeypatch.setattr("bmis.export.tune.paired_difference", lambda *_: gain)
    found = tune(list(discs(30)))
    assert len(found.tries) > 5
    assert bool(found.rules.changes()) is kept
