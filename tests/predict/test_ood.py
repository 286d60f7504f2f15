"""Images of another kind are out of distribution; most images of the same kind are not."""

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.config import STATISTICS, OodReference
from bmis.data.phantoms.write import draw_phantom
from bmis.errors import ConfigError
from bmis.predict.ood import LEAST, OodDetector, describe, fit_ood_reference


def drawn(modality, seeds):
    return [describe(draw_phantom(modality, size=(96, 128), seed=seed)[0]) for seed in seeds]


def ood_score(statistics, reference):
    return OodDetector(reference)(statistics)


@pytest.fixture(scope="module")
def reference():
    return fit_ood_reference(drawn("dermoscopy", range(60)))


def test_most_images_of_the_same_kind_are_in_distribution(reference):
    values = [ood_score(one, reference) for one in drawn("dermoscopy", range(100, 140))]
    assert np.mean(np.array(values) > 1) <= 0.1


@pytest.mark.parametrize("modality", ["ultrasound", "endoscopy", "fundus", "xray"])
def test_images_of_another_kind_are_out_of_distribution(reference, modality):
    assert min(ood_score(one, reference) for one in drawn(modality, range(8))) > 1


def test_every_statistic_varies_between_images():
    modalities = ("dermoscopy", "ultrasound", "endoscopy", "fundus", "xray")
    values = np.stack([one for modality in modalities for one in drawn(modality, range(3))])
    assert (values.std(0) > 0.01).all()


def test_a_training_image_has_a_score_near_zero(reference):
    assert (
        ood_score(drawn("dermoscopy", [0])[0], reference) < 0.1
    )  # not 0, because numbers are rounded


def test_a_colour_image_is_out_of_distribution_among_grey_ones():
    colours = [draw_phantom("endoscopy", size=(96, 96), seed=n)[0] for n in range(40)]
    greys = [np.asarray(Pillow.fromarray(one).convert("L"))[..., None] for one in colours]
    reference = fit_ood_reference([describe(one) for one in greys[:30]])
    assert all(ood_score(describe(one), reference) > 1 for one in colours[30:])
    assert np.mean([ood_score(describe(one), reference) > 1 for one in greys[30:]]) <= 0.1


def test_three_equal_channels_count_as_one():
    grey = draw_phantom("xray", size=(64, 80), seed=1)[0]
    np.testing.assert_array_equal(describe(grey), describe(np.repeat(grey, 3, 2)))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 1), (700, 3, 3)])
def test_any_image_can_be_described(shape):
    for value in (0, 255):
        found = describe(np.full(shape, value, np.uint8))
        assert found.shape == (STATISTICS,)
        assert np.isfinite(found).all()


def test_too_few_images_give_no_reference():
    ones = drawn("fundus", range(LEAST))
    assert fit_ood_reference(ones[1:]) is None
    assert fit_ood_reference(ones) is not None


@pytest.mark.parametrize("number", [LEAST, 40])
def test_few_images_give_a_wider_limit(number, monkeypatch):
    ones = drawn("fundus", range(number))
    limit = fit_ood_reference(ones).limit
    monkeypatch.setattr("bmis.predict.ood._MARGIN", 0.0)
    assert limit / fit_ood_reference(ones).limit == pytest.approx(1 + 2 / number**0.5, rel=0.02)


def test_a_reference_goes_through_plain_values(reference):
    assert OodReference.from_dict(reference.to_dict()) == reference


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.0,) * (STATISTICS - 1)},
        {"mean": (float("nan"),) * STATISTICS},
        {"mean": "x" * STATISTICS},
        {"transform": ((0.0,) * STATISTICS,)},
        {"transform": ((True,) * STATISTICS,) * STATISTICS},
        {"examples": ()},
        {"examples": ((1e10,) * STATISTICS,)},
        {"examples": 3},
        {"limit": 0.0},
        {"limit": "1"},
        {"limit": float("inf")},
    ],
)
def test_impossible_references_are_refused(reference, change):
    with pytest.raises(ConfigError, match="must be"):
        OodReference.from_dict({**reference.to_dict(), **change})


def test_what_is_done_to_images_is_no_scatter_of_theirs():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(80, STATISTICS))
    images[40:, 0] += 50  # a border, say
    between = np.zeros(STATISTICS)
    between[0] = 25
    apart = fit_ood_reference(list(images), [""] * 40 + ["border"] * 40)
    together = fit_ood_reference(list(images))
    assert ood_score(between, apart) > 1 > ood_score(between, together)
