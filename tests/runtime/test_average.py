"""Several passes as one: flips of the image, and several networks."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from bmis.config import InputSpec, PostProcessing
from bmis.errors import ConfigError
from bmis.runtime.average import Ensemble, Flipped, load_ensemble
from bmis.runtime.probabilities import class_probabilities
from helpers.bundles import manifest, write_tiny


class Sloped:
    """Logits of K classes that grow to the right and down, so that flips change them."""

    stride, size, batch = 8, None, 4

    def __init__(self, classes, slope=1.0):
        self.classes, self.slope = classes, slope

    def __call__(self, batch):
        height, width = batch.shape[2:]
        rows, columns = np.arange(height)[:, None], np.arange(width)
        grid = self.slope * (columns + 3 * rows - 9) / 9
        logits = [grid * (index + 1) for index in range(self.classes)]
        return (batch[:, :1] + np.stack(logits)).astype(np.float32)


BATCH = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize(
    ("flips", "axes"),
    [
        ("none", [()]),
        ("horizontal", [(), (3,)]),
        ("vertical", [(), (2,)]),
        ("both", [(), (3,), (2,), (2, 3)]),
    ],
)
def test_the_mean_over_flips_is_that_of_the_probabilities(classes, flips, axes):
    network = Sloped(classes)
    each = [class_probabilities(np.flip(network(np.flip(BATCH, one)), one).copy()) for one in axes]
    found = Flipped(network, flips)(BATCH)
    assert found.dtype == np.float32
    np.testing.assert_allclose(class_probabilities(found), np.mean(each, 0), atol=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
def test_the_mean_of_networks_is_that_of_their_probabilities(classes):
    networks = [Sloped(classes, slope) for slope in (1.0, -2.0, 0.5)]
    each = [class_probabilities(network(BATCH).copy()) for network in networks]
    found = Ensemble(networks, [InputSpec()] * 3)(BATCH)
    np.testing.assert_allclose(class_probabilities(found), np.mean(each, 0), atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [1, 2])
def test_logits_stay_finite_however_sure_the_network_is(classes):
    found = Flipped(Sloped(classes, 1e4), "both")(BATCH)
    assert np.isfinite(found).all()


def test_each_network_gets_the_image_as_it_was_trained():
    class Seen(Sloped):
        def __call__(self, batch):
            self.batch_seen = batch
            return super().__call__(batch)

    ours = InputSpec(mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
    theirs = InputSpec(mean=(0.1, 0.2, 0.3), std=(0.5, 0.4, 0.1))
    first, second = Seen(2), Seen(2)
    image = np.random.default_rng(1).random((1, 3, 8, 8))

    def normal(spec):
        mean, std = (np.array(one)[:, None, None] for one in (spec.mean, spec.std))
        return ((image - mean) / std).astype(np.float32)

    Ensemble([first, second], [ours, theirs])(normal(ours))
    np.testing.assert_allclose(first.batch_seen, normal(ours))
    np.testing.assert_allclose(second.batch_seen, normal(theirs), atol=1e-5)


def write(path, *, seed=0, **changes):
    made = manifest()
    return write_tiny(path, seed=seed, info=replace(made.info, **changes))


def test_an_ensemble_takes_what_all_its_networks_take(tmp_path):
    paths = [write(tmp_path / f"{seed}.bmis", seed=seed) for seed in range(3)]
    runtime, info = load_ensemble(paths)
    assert (runtime.stride, runtime.size, runtime.batch) == (8, None, 1)
    assert len(info.provenance["averaged_with"]) == 2
    alone, of_one = load_ensemble(paths[:1])
    assert not isinstance(alone, Ensemble)
    assert "averaged_with" not in of_one.provenance


def test_networks_that_do_not_fit_are_refused(tmp_path):
    first = write(tmp_path / "a.bmis")
    for name, changes, match in (
        (
            "b",
            {"classes": ("background", "other")},
            "b.bmis: differs from .*a.bmis in classes, .*other",
        ),
        ("c", {"input": InputSpec((32, 32), 3)}, "in size"),
        ("d", {"input": InputSpec((32, 48), 3, resize="native")}, "in resize rule, native"),
    ):
        other = write(tmp_path / f"{name}.bmis", **changes)
        with pytest.raises(ConfigError, match=match) as caught:
            load_ensemble([first, other])
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="no network to run"):
        load_ensemble([])


def test_post_processing_is_theirs_where_all_have_the_same(tmp_path, caplog):
    rules = PostProcessing(threshold=0.3)
    paths = [write(tmp_path / f"{name}.bmis", postprocessing=rules) for name in "ab"]
    assert load_ensemble(paths)[1].postprocessing == rules
    other = write(tmp_path / "c.bmis", postprocessing=PostProcessing(fill_holes=True))
    with caplog.at_level(logging.WARNING, logger="bmis"):
        assert load_ensemble([*paths, other])[1].postprocessing == PostProcessing()
    assert "differ in their post-processing" in caplog.text
