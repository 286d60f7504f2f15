"""What the training showed is in distribution; what it did not show is not."""

import numpy as np
import pytest

from bmis import open_dataset
from bmis.config import InputSpec, ModelConfig, ModelInfo
from bmis.data.phantoms.write import draw_phantom, write_phantoms
from bmis.evaluate.perturbations import PERTURBATIONS, Sample
from bmis.export.ood import learn_ood_reference, shown_changes
from bmis.predict.ood import OodDetector, describe

BORDERS = [one for one in PERTURBATIONS if one.name.endswith("border, 10 %, all sides")]


def info(resize="squash", recipe=None):
    provenance = {} if recipe is None else {"recipe": recipe}
    spec = InputSpec(resize=resize)
    return ModelInfo(ModelConfig(), spec, ("background", "lesion"), provenance=provenance)


def kinds(found):
    return {one.kind for one in found}


def drawing(**augmentation):
    return {"augmentation": augmentation}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ood") / "data"
    return open_dataset(write_phantoms(folder, modality="dermoscopy", count=100, size=(64, 64)))


def alarms(dataset, described):
    """The share of bordered images of the same kind that is out of distribution."""
    reference, _ = learn_ood_reference(dataset, (), described)
    detector, found = OodDetector(reference), []
    for seed in range(1000, 1012):
        pixels, labels = draw_phantom("dermoscopy", size=(64, 64), seed=seed)[:2]
        for border in BORDERS[:2]:  # black and white
            found.append(detector(describe(border(Sample(pixels, labels), str(seed)).pixels)) > 1)
    return np.mean(found)


def test_a_border_that_the_training_drew_raises_no_alarm(dataset):
    assert alarms(dataset, info(recipe=drawing(border=0.4))) < 0.2


def test_a_border_that_it_did_not_draw_raises_one(dataset):
    assert alarms(dataset, info(recipe=drawing(border=0.0))) > 0.8


def test_another_modality_is_unlike_all_the_same(dataset):
    reference, _ = learn_ood_reference(dataset, (), info(recipe=drawing(border=0.4)))
    for modality in ("ultrasound", "xray", "fundus"):
        pixels = draw_phantom(modality, size=(64, 64), seed=1)[0]
        assert OodDetector(reference)(describe(pixels)) > 1


def test_sizes_are_shown_where_all_images_become_one_size():
    assert kinds(shown_changes(info())) == {"half size", "double size"}
    assert shown_changes(info(resize="native")) == []


@pytest.mark.parametrize("recipe", [3, "robust", {"augmentation": 1}, [], {"augmentation": {}}])
def test_a_provenance_of_any_kind_is_taken(recipe):
    assert shown_changes(info(resize="native", recipe=recipe)) == []
