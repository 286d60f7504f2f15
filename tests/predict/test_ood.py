"""Images of another kind are told from those that a network was trained on; most others are not."""

import numpy as np
import pytest
from PIL import Image as Pillow

from bmis.config import STATISTICS, OodReference
from bmis.data.phantoms.write import draw_phantom
from bmis.errors import ConfigError
from bmis.predict.ood import LEAST, OodDetector, describe, fit_ood_reference


def drawn(modality, seeds):
    return [describe(draw_phantom(modality, size=(96, 128), seed=seed)[0]) for seed in seeds]


def ood_score(statistics, known):
    return OodDetector(known)(statistics)


@pytest.fixture(scope="module")
def known():
    return fit_ood_reference(drawn("dermoscopy", range(60)))


def test_few_others_of_the_same_kind_look_strange(known):
    values = [ood_score(one, known) for one in drawn("dermoscopy", range(100, 140))]
    assert np.mean(np.array(values) > 1) <= 0.1


@pytest.mark.parametrize("modality", ["ultrasound", "endoscopy", "fundus", "xray"])
def test_images_of_another_kind_look_strange(known, modality):
    assert min(ood_score(one, known) for one in drawn(modality, range(8))) > 1


def test_every_statistic_tells_some_images_from_others():
    modalities = ("dermoscopy", "ultrasound", "endoscopy", "fundus", "xray")
    values = np.stack([one for modality in modalities for one in drawn(modality, range(3))])
    assert (values.std(0) > 0.01).all()


def test_an_example_is_not_strange_at_all(known):
    assert ood_score(drawn("dermoscopy", [0])[0], known) < 0.1  # but for rounded numbers


def test_a_colour_image_looks_strange_among_the_same_in_grey():
    colours = [draw_phantom("endoscopy", size=(96, 96), seed=n)[0] for n in range(40)]
    greys = [np.asarray(Pillow.fromarray(one).convert("L"))[..., None] for one in colours]
    known = fit_ood_reference([describe(one) for one in greys[:30]])
    assert all(ood_score(describe(one), known) > 1 for one in colours[30:])
    assert np.mean([ood_score(describe(one), known) > 1 for one in greys[30:]]) <= 0.1


def test_three_equal_channels_are_as_one():
    grey = draw_phantom("xray", size=(64, 80), seed=1)[0]
    np.testing.assert_array_equal(describe(grey), describe(np.repeat(grey, 3, 2)))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 1), (700, 3, 3)])
def test_any_image_can_be_described(shape):
    for value in (0, 255):
        found = describe(np.full(shape, value, np.uint8))
        assert found.shape == (STATISTICS,)
        assert np.isfinite(found).all()


def test_too_few_images_teach_nothing():
    ones = drawn("fundus", range(LEAST))
    assert fit_ood_reference(ones[1:]) is None
    assert fit_ood_reference(ones) is not None


@pytest.mark.parametrize("number", [LEAST, 40])
def test_few_images_give_a_wider_limit(number, monkeypatch):
    ones = drawn("fundus", range(number))
    limit = fit_ood_reference(ones).limit
    monkeypatch.setattr("bmis.predict.ood._MARGIN", 0.0)
    assert limit / fit_ood_reference(ones).limit == pytest.approx(1 + 2 / number**0.5, rel=0.02)


def test_what_was_learnt_survives_its_writing(known):
    assert OodReference.from_dict(known.to_dict()) == known


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
def test_what_cannot_be_is_refused(known, change):
    with pytest.raises(ConfigError, match="must be"):
        OodReference.from_dict({**known.to_dict(), **change})
