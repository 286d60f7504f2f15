"""Weights of classes: how they follow from the masks, and what they do to the losses."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from bmis.errors import ConfigError
from bmis.models.checkpoint import read_checkpoint
from bmis.train.class_weights import choose_class_weights
from bmis.train.losses import ce_dice, one_hot, paper_loss, soft_dice
from bmis.train.run import train_model
from helpers.tiny import config, write_dataset
from helpers.training import cache_split

CLASSES = ("background", "disc", "cup")


@pytest.fixture
def counted_set(tmp_path):
    """Two training images whose classes have 75 %, 24 % and 1 % of the pixels that count."""
    root = write_dataset(tmp_path / "d", splits=("train", "train", "val"), size=(20, 20), classes=3)
    (root / "dataset.yaml").write_text("ignore: 9")
    for number, rows in enumerate([range(20), range(10)]):  # half of the second is ignored
        labels = np.full((20, 20), 9, np.uint8)
        labels[list(rows)] = 0
        path = root / "masks" / f"case{number}.png"
        flat = labels.reshape(-1)
        if number == 0:
            flat[:144], flat[144:150] = 1, 2
        Image.fromarray(labels).save(path)
    return root


def test_balanced_weights_are_inverse_square_roots_with_a_mean_of_one(counted_set):
    cached = cache_split(counted_set, size=(20, 20))
    counts = cached.count_labels()
    assert (counts[:3].tolist(), int(counts[255])) == ([450, 144, 6], 200)
    share = [450 / 600, 144 / 600, 6 / 600]
    found = choose_class_weights("balanced", cached, CLASSES)
    scale = sum(math.sqrt(one) for one in share)  # of share x 1 / sqrt(share)
    assert found == pytest.approx([1 / math.sqrt(one) / scale for one in share])
    assert sum(w * s for w, s in zip(found, share, strict=True)) == pytest.approx(1)
    assert found[2] / found[0] == pytest.approx(math.sqrt(75))


def test_a_class_that_no_mask_shows_weighs_one(dataset, caplog):
    caplog.set_level(logging.INFO, "bmis")
    found = choose_class_weights("balanced", cache_split(dataset), CLASSES)
    assert found[2] == 1
    assert found[0] < 1 < found[1]
    assert f"weights of the classes: background {found[0]:.3g}, disc {found[1]:.3g}" in caplog.text
    assert choose_class_weights("none", cache_split(dataset), CLASSES) is None


@pytest.mark.parametrize("loss", [ce_dice, paper_loss])
def test_the_cross_entropy_is_that_of_torch_with_weights(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    labels = torch.randint(3, (2, 4, 5), generator=generator)
    labels[0, :2] = 255
    counted, weights = (labels != 255).float(), torch.tensor([0.5, 2.0, 7.0])
    scores = logits if loss is ce_dice else logits.sigmoid()
    expected = F.cross_entropy(scores, labels, weights, ignore_index=255)
    probabilities = logits.softmax(1) if loss is ce_dice else logits.sigmoid()
    chosen = slice(1, None) if loss is ce_dice else slice(None)
    dice = soft_dice(probabilities[:, chosen], one_hot(labels, 3)[:, chosen], counted).mean()
    expected += 1 - dice if loss is ce_dice else -dice
    torch.testing.assert_close(loss(logits, labels, counted, weights), expected)
    equal = loss(logits, labels, counted, torch.full((3,), 4.0))
    torch.testing.assert_close(equal, loss(logits, labels, counted))


def test_a_pixel_of_a_rare_class_counts_by_hand():
    """Two pixels with the losses log 2 and log 4, of weights 1 and 3."""
    logits = torch.tensor([[0.0, 0.0], [0.0, -math.log(3)]]).view(1, 2, 1, 2)
    labels = torch.tensor([[[0, 1]]])
    found = ce_dice(logits, labels, None, torch.tensor([1.0, 3.0]))
    dice = (2 * 0.25 + 1) / (0.5 + 0.25 + 1 + 1)
    assert float(found) == pytest.approx((math.log(2) + 3 * math.log(4)) / 4 + 1 - dice)


def test_weights_change_the_training_and_are_recorded(dataset, tmp_path):
    given = config(dataset, epochs=1, deterministic=True)
    states = {}
    for name, weights in (("none", "none"), ("balanced", "balanced"), ("given", [1, 9])):
        changed = replace(given, changes={"class_weights": weights})
        train_model(changed, out=tmp_path / name, page=False)
        model, info = read_checkpoint(tmp_path / name)
        states[name] = torch.cat([t.flatten() for t in model.state_dict().values()])
        recorded = info.provenance["class_weights"]
        assert (recorded is None) is (name == "none")
        assert info.provenance["recipe"]["class_weights"] == weights
    assert recorded == [1.0, 9.0]
    assert not torch.equal(states["none"], states["balanced"])
    assert not torch.equal(states["balanced"], states["given"])


def test_a_list_of_another_length_is_refused_before_any_image_is_read(dataset, tmp_path):
    given = config(dataset, changes={"class_weights": [1, 2, 3]})
    message = r"class_weights has 3 numbers and the data 2 classes \(background, .*\); give one"
    with pytest.raises(ConfigError, match=message):
        train_model(given, out=tmp_path / "run", page=False)
    assert not (tmp_path / "run").exists()
