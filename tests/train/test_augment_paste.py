"""Cut and paste of objects from one image of a batch into another."""

import pytest
import torch

from bmis.train.augment.paste import draw_partners, paste_objects


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("count", [2, 8])
def test_a_partner_is_another_image_of_the_batch(count):
    for seed in range(20):
        partners = draw_partners(1.0, count, seeded(seed))
        assert ((partners >= 0) & (partners < count)).all()
        assert (partners != torch.arange(count)).all()


def test_an_image_alone_gets_nothing():
    images, labels = torch.rand(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.uint8)
    pasted, marks = paste_objects(images, labels, draw_partners(1.0, 1, seeded()))
    assert torch.equal(pasted, images)
    assert torch.equal(marks, labels)


def test_objects_of_every_class_come_at_their_place_with_soft_edges():
    images = torch.stack([torch.zeros(3, 12, 12), torch.ones(3, 12, 12)])
    labels = torch.zeros(2, 12, 12, dtype=torch.uint8)
    labels[0, 10:, :] = 1  # stays where nothing is pasted
    labels[1, 3:8, 3:6], labels[1, 3:8, 6:8], labels[1, 0, 0] = 1, 2, 255
    before = images.clone()
    pasted, marks = paste_objects(images, labels, torch.tensor([1, -1]))
    assert torch.equal(images, before)
    assert torch.equal(pasted[1], images[1])
    assert torch.equal(marks[1], labels[1])
    assert torch.equal(marks[0, 3:8, 3:8], labels[1, 3:8, 3:8])
    assert (marks[0, 10:] == 1).all()
    assert marks[0].count_nonzero() == 25 + 24  # what a partner ignores is not pasted
    assert (pasted[0, :, 4:7, 4:7] == 1).all()
    assert (pasted[0, :, :2] == 0).all()
    rim = pasted[0, 0, 3, 4]
    assert 0.5 < rim < 1
    assert 0 < pasted[0, 0, 2, 4] < 0.5


def test_an_ignored_pixel_stays_ignored_under_an_object():
    images, labels = torch.rand(2, 1, 6, 6), torch.zeros(2, 6, 6, dtype=torch.uint8)
    labels[0, 2, 2], labels[1] = 255, 1
    _, marks = paste_objects(images, labels, torch.tensor([1, -1]))
    assert marks[0, 2, 2] == 255
    assert (marks[0] == 1).sum() == 35


def test_an_image_without_objects_gets_one_and_gives_none():
    images, labels = torch.rand(2, 1, 6, 6), torch.zeros(2, 6, 6, dtype=torch.uint8)
    labels[1, 2:4, 2:4] = 1
    pasted, marks = paste_objects(images, labels, torch.tensor([1, 0]))
    assert torch.equal(marks[0], labels[1])
    assert torch.equal(marks[1], labels[1])
    assert torch.equal(pasted[1], images[1])
