"""Losses against a plain computation in float64 and against closed forms."""

import math

import numpy as np
import pytest
import torch

from bmis.train.losses import (
    LOSSES,
    ce_dice,
    counted_pixels,
    distillation_loss,
    one_hot,
    paper_loss,
    soft_dice,
)


def case(classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, classes, 6, 5, generator=generator)
    labels = torch.randint(classes, (3, 6, 5), generator=generator, dtype=torch.uint8)
    return logits, labels


def confident(labels, classes=2, height=30.0):
    """Logits of a network that is sure of the labels."""
    return (2 * one_hot(labels, classes) - 1) * height


@pytest.mark.parametrize("classes", [2, 4])
def test_published_is_the_papers_recipe_by_hand(classes):
    logits, labels = case(classes)
    z, y = logits.double().numpy(), labels.numpy()
    crosses, dices = [], []
    for n in range(3):
        for i in range(6):
            for j in range(5):
                p = [1 / (1 + math.exp(-v)) for v in z[n, :, i, j]]  # sigmoid outputs ...
                crosses.append(math.log(sum(map(math.exp, p))) - p[y[n, i, j]])  # ... as logits
        for k in range(classes):
            p, t = 1 / (1 + np.exp(-z[n, k])), (y[n] == k).astype(float)
            tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
            dices.append((2 * tp + 1) / (2 * tp + fp + fn + 1))
    expected = np.mean(crosses) - np.mean(dices)
    assert float(paper_loss(logits, labels)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_ce_dice_by_hand(classes):
    logits, labels = case(classes)
    z, y = logits.double().numpy(), labels.numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    cross = -np.mean([np.log(p[n, y[n, i, j], i, j]) for n, i, j in np.ndindex(y.shape)])
    dices = [
        (2 * (p[n, k] * (y[n] == k)).sum() + 1) / (p[n, k].sum() + (y[n] == k).sum() + 1)
        for n in range(3)
        for k in range(1, classes)  # the background has no Dice
    ]
    assert float(ce_dice(logits, labels)) == pytest.approx(cross + 1 - np.mean(dices), abs=1e-6)


def test_a_perfect_prediction_has_no_loss():
    _, labels = case(3)
    assert float(ce_dice(confident(labels, 3), labels)) == pytest.approx(0, abs=1e-6)


def test_an_empty_image_that_is_predicted_empty_has_no_loss():
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    assert float(ce_dice(confident(labels), labels)) == pytest.approx(0, abs=1e-6)


def test_every_image_counts_the_same_however_small_its_foreground():
    """One image all wrong, one all right: mean Dice near 1/2 by image, near 1 by pixel."""
    labels = torch.zeros(2, 16, 16, dtype=torch.uint8)
    labels[0, 0, 0], labels[1] = 1, 1
    wrong = labels.clone()
    wrong[0, 0, 0] = 0
    dice = soft_dice(one_hot(wrong, 2), one_hot(labels, 2))[:, 1]
    assert dice.tolist() == [0.5, 1.0]  # (0 + 1) / (1 + 1) with the smoothing
    cross = 60 / labels.numel()  # one pixel missed, by 2 x 30
    assert float(ce_dice(confident(wrong), labels)) == pytest.approx(cross + 1 - 0.75, abs=1e-5)


def test_soft_dice_of_probabilities():
    probabilities, targets = torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2)
    assert float(soft_dice(probabilities, targets)) == pytest.approx((2 * 2 + 1) / (2 + 4 + 1))


def test_one_hot_by_index():
    marks = one_hot(torch.tensor([[[0, 2], [1, 1]]], dtype=torch.uint8), 3)
    assert marks.dtype == torch.float32
    assert marks[0].tolist() == [[[1, 0], [0, 0]], [[0, 0], [1, 1]], [[0, 1], [0, 0]]]


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients_are_finite_and_point_downhill_under_bfloat16(name):
    logits, labels = case(3)
    logits = (logits * 40).bfloat16().requires_grad_()  # so large that a naive exp overflows
    with torch.autocast("cpu", torch.bfloat16):
        loss = LOSSES[name](logits, labels)
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.any()
    with torch.no_grad():
        lower = LOSSES[name](logits.float() - 5 * logits.grad.float(), labels)
    assert lower < loss


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_loss_needs_no_operation_that_is_random_on_cuda(name, monkeypatch):
    """Cross-entropy by labels has no deterministic kernel for images on CUDA."""

    def refuse(*_, **__):
        raise RuntimeError("does not have a deterministic implementation")

    for kernel in ("cross_entropy", "nll_loss"):
        monkeypatch.setattr(torch.nn.functional, kernel, refuse)
    assert LOSSES[name](*case()).isfinite()


def test_distillation_loss_by_hand():
    ours, _ = case(3)
    theirs, _ = case(3, seed=1)
    p, q = (np.exp(z.double().numpy() / 2) for z in (theirs, ours))  # both softened, temperature 2
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    expected = 4 * (p * np.log(p / q)).sum(1).mean()
    assert float(distillation_loss(ours, theirs)) == pytest.approx(expected, abs=1e-6)


def test_logits_like_the_teachers_have_no_loss_and_no_gradient():
    logits, _ = case(3)
    ours = (logits + 5).requires_grad_()  # the same for all classes: the same probabilities
    found = distillation_loss(ours, logits)
    found.backward()
    assert float(found.detach()) == pytest.approx(0, abs=1e-6)
    assert ours.grad.abs().max() < 1e-6


def ignoring():
    """Logits and labels of three images, two ignored in part and one as a whole."""
    logits, labels = case(3)
    labels[0, :2], labels[1, :, 3], labels[2] = 255, 255, 255
    return logits, labels, counted_pixels(labels)


def loss_and_gradient(loss, logits, *more):
    logits = logits.clone().requires_grad_()
    value = loss(logits, *more)
    value.backward()
    return value, logits.grad


@pytest.mark.parametrize("name", [*LOSSES, "distillation"])
def test_what_lies_under_ignored_pixels_changes_no_loss_and_no_gradient(name):
    logits, labels, counted = ignoring()
    loss = LOSSES.get(name, distillation_loss)
    target, changed_target = (labels, labels) if name in LOSSES else (logits * 2, logits * 2)
    ignored = labels.unsqueeze(1).expand_as(logits) == 255
    changed = torch.where(ignored, 9 * torch.randn(logits.shape), logits)
    if name == "distillation":
        changed_target = torch.where(ignored, torch.randn(logits.shape), target)
    value, gradient = loss_and_gradient(loss, logits, target, counted)
    other, other_gradient = loss_and_gradient(loss, changed, changed_target, counted)
    assert torch.equal(value, other)
    assert torch.equal(gradient, other_gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].all()


@pytest.mark.parametrize("loss", [ce_dice, paper_loss])
def test_the_loss_of_an_image_with_ignored_rows_is_that_of_the_image_without_them(loss):
    logits, labels = case(3)
    labels[:, 4:] = 255
    found = loss(logits, labels, counted_pixels(labels))
    torch.testing.assert_close(found, loss(logits[:, :, :4], labels[:, :4]))
    theirs = logits.flip(0)
    torch.testing.assert_close(
        distillation_loss(logits, theirs, counted_pixels(labels)),
        distillation_loss(logits[:, :, :4], theirs[:, :, :4]),
    )


@pytest.mark.parametrize("loss", [ce_dice, paper_loss])
def test_a_batch_that_is_ignored_as_a_whole_teaches_nothing(loss):
    logits, labels = case()
    labels[:] = 255
    value, gradient = loss_and_gradient(loss, logits, labels, counted_pixels(labels))
    assert value.isfinite()
    assert not gradient.any()
