"""What every registered model promises, checked once for all of them."""

import pytest
import torch

from bmis.errors import ConfigError, DataError
from bmis.models import SegmentationModel, build_model, list_models, register


@pytest.fixture(params=list_models())
def model(request: pytest.FixtureRequest) -> SegmentationModel:
    """A grey-image, three-class model in evaluation mode, away from its initial zeros."""
    torch.manual_seed(0)
    model = build_model(request.param, in_channels=1, num_classes=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            inputs = parameter.numel() / len(parameter)  # of each output, so that sums stay small
            parameter.add_(min(0.05, 0.2 / inputs**0.5) * torch.randn_like(parameter))
    return model


@pytest.fixture
def images(model: SegmentationModel) -> torch.Tensor:
    """Two images, higher than wide, so that swapped axes show."""
    return torch.randn(2, 1, 4 * model.stride, 2 * model.stride)


def test_logits_have_the_size_of_the_image(model, images):
    logits = model(images)
    assert logits.shape == (2, 3, *images.shape[2:])
    assert logits.isfinite().all()


@pytest.mark.parametrize("strides", [(1, 1), (1, 5), (3, 2)])
def test_any_multiple_of_the_stride_fits(model, strides):
    height, width = (model.stride * s for s in strides)
    assert model(torch.randn(1, 1, height, width)).shape == (1, 3, height, width)


def test_logits_are_not_activations(model, images):
    logits = model(images)
    assert logits.min() < 0  # a sigmoid or softmax at the end gives none
    assert (logits.sum(1) - 1).abs().max() > 0.01
    assert logits.exp().sum(1).sub(1).abs().max() > 0.01


def test_every_parameter_learns(model, images):
    sum(logits.square().mean() for logits in model.training_logits(images)).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_it_trains_and_gives_one_tensor_there_too(model, images):
    logits = model.train()(images)
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 3, *images.shape[2:])


def test_an_image_is_judged_without_its_neighbours(model, images):
    with torch.inference_mode():
        torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-4, atol=1e-5)


def test_the_image_given_is_left_as_it_was(model, images):
    before = images.clone()
    model(images)
    assert torch.equal(images, before)


def test_saved_weights_make_another_model_the_same(model, images, request):
    name = request.node.callspec.params["model"]
    other = build_model(name, in_channels=1, num_classes=3).eval()
    with torch.inference_mode():
        assert not torch.equal(other(images), model(images))
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(images), model(images))


def test_the_exported_graph_gives_the_same_logits(model, images):
    graph = torch.export.export(model, (images,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(graph(images), model(images), rtol=1e-4, atol=1e-5)


def test_a_size_that_does_not_fit_is_refused_with_the_cure(model):
    side, fits = 2 * model.stride + 1, 3 * model.stride
    with pytest.raises(DataError, match=f"got {side}x{side}; pad the image to {fits}x{fits}"):
        model(torch.zeros(1, 1, side, side))


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 64, 64)])
def test_a_batch_of_another_shape_is_refused(model, shape):
    with pytest.raises(DataError, match=r"expected a batch of shape \(N, 1, H, W\), got"):
        model(torch.zeros(shape))


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(ConfigError, match=r"unknown model 'bmsi' \(did you mean 'bmis'\?\)"):
        build_model("bmsi")


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match=r"model 'bmis'.*'depht'"):
        build_model("bmis", depht=3)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="'bmis' is already taken"):
        register("bmis")(SegmentationModel)
