"""Pairs of images and labels for training loops of one's own."""

import pytest
import torch
from torch.utils.data import DataLoader

from bmis import SegmentationDataset, ce_dice, open_dataset
from bmis.errors import DataError
from bmis.models import build_model
from bmis.train.batches import normalise_batch
from bmis.train.cached_dataset import CachedDataset


@pytest.mark.parametrize("resize", ["squash", "letterbox"])
def test_images_and_labels_are_those_of_a_training(dataset, tmp_path, resize):
    opened = open_dataset(dataset)
    images = SegmentationDataset(dataset, split="train", size=(24, 40), resize=resize)
    cpu = torch.device("cpu")
    cached = CachedDataset(opened.split("train"), opened, images.input, cpu, scratch=tmp_path)
    pixels, labels = cached.crops(torch.arange(len(images)), torch.Generator())
    wanted = normalise_batch(pixels.float() / 255, images.input)
    assert len(images) == 4
    for index, (image, found) in enumerate(images[i] for i in range(len(images))):
        torch.testing.assert_close(image, wanted[index])
        assert torch.equal(found, labels[index].long())
        assert found.any()


def test_a_loop_of_ones_own_learns_from_it(dataset):
    images = SegmentationDataset(dataset, size=(32, 32))
    model = build_model("bmis_tiny")
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(4):
        for batch, labels in DataLoader(images, batch_size=len(images)):
            loss = ce_dice(model(batch), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    assert len(images) == 6
    assert losses[-1] < losses[0]


def test_an_unknown_split_is_refused(dataset):
    with pytest.raises(DataError, match="no images in split 'test2'"):
        SegmentationDataset(dataset, split="test2")
