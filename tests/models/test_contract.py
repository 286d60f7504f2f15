"""What holds for every registered model, checked once for all of them.

A model is built once for all of its tests; a test that changes it works on a copy.
"""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bmis.bundle.onnx_scan import scan_onnx
from bmis.bundle.operators.onnx import OPERATORS
from bmis.bundle.operators.values import Computation
from bmis.bundle.work import count_work
from bmis.errors import DataError
from bmis.export.onnx import serialised, to_onnx
from bmis.models import SegmentationModel, build_model, list_models, takes_size
from bmis.models.layers.cpu_gradients import prepare_for_cpu
from bmis.runtime.engines import OnnxRuntimeEngine
from bmis.train.outer_layers import LAYERS, outer_weights

HEAVY = {
    "monai_dynunet",
    "monai_unetr",
    "smp_dpt",
}  # one of their tests takes over 1.5 s on one core

LARGER_SIZES = {
    *("bmis", "bmis_large", "bmis_small"),
    *("cmunext", "cmunext_l", "mk_unet", "mk_unet_s"),
}  # the same layers as in bmis_tiny, cmunext_s and mk_unet_t
EXPORTED = [name for name in list_models() if name not in LARGER_SIZES]  # ten seconds each
RESNET_34 = {
    *("smp_fpn", "smp_manet", "smp_pan", "smp_pspnet"),
    *("smp_unet", "smp_unetplusplus", "smp_upernet"),
}  # their export is tested with half the layers in the encoder


def small(name: str, in_channels: int = 1, num_classes: int = 3) -> SegmentationModel:
    """A model of grey images and three classes; built for its least size if built for one."""
    build = partial(build_model, name, in_channels=in_channels, num_classes=num_classes)
    model = build()
    assert takes_size(name) is (model.fixed_size is not None)
    if model.fixed_size is None:
        return model
    size = [model.smallest + model.stride, model.smallest]  # a list, as it comes back from a file
    model = build(size=size)
    assert model.fixed_size == tuple(size)
    return model


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY else [])
        for name in list_models()
    ],
)
def model(request: pytest.FixtureRequest) -> SegmentationModel:
    """A model in evaluation mode, away from its initial zeros and ones; do not change it."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.socket.connect", _refuse)  # weights are not fetched
        model = small(request.param)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2 or not parameter.any():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return with_statistics(model)


def _refuse(*_: object) -> None:
    raise AssertionError("weights were asked for over the network")


def with_statistics(model: SegmentationModel) -> SegmentationModel:
    """Batch norms that have seen images, as after training: activations of deep ones stay small."""
    norms = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    for norm in norms:
        norm.momentum = 0.5
    with torch.no_grad():
        model.train()(torch.randn(2, 1, *larger(model)))
    for norm, momentum in norms.items():
        norm.momentum = momentum
    return model.eval()


@pytest.fixture
def changeable(model: SegmentationModel) -> SegmentationModel:
    return copy.deepcopy(model)


def least(model: SegmentationModel) -> tuple[int, int]:
    return model.valid_size(1, 1)


def larger(model: SegmentationModel) -> tuple[int, int]:
    """Higher than wide, so that swapped axes show."""
    height, width = least(model)
    return model.valid_size(height + 1, width)


@pytest.fixture
def images(model: SegmentationModel) -> torch.Tensor:
    return torch.randn(2, 1, *larger(model))


def close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for rounding, whose measure is the largest logit."""
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


def test_its_shapes_can_be_had_without_its_weights(model, request):
    """As a comparison does to check its options: hundreds of millions of weights cost nothing."""
    with torch.device("meta"):
        empty = small(request.node.callspec.params["model"])
    assert all(parameter.is_meta for parameter in empty.parameters())
    shapes = [
        {name: tensor.shape for name, tensor in m.state_dict().items()} for m in (empty, model)
    ]
    assert shapes[0] == shapes[1]


def test_logits_have_the_size_of_the_image(model, images):
    with torch.inference_mode():
        logits = model(images)
    assert logits.shape == (2, 3, *images.shape[2:])
    assert logits.isfinite().all()


def test_one_image_of_any_size_that_fits_is_taken(model):
    height, width = least(model)
    for size in {(height, width), model.valid_size(height, width + 2 * model.stride)}:
        with torch.inference_mode():
            assert model(torch.randn(1, 1, *size)).shape == (1, 3, *size)


def test_costs_can_be_compared_at_224(model):
    assert model.fixed_size or model.valid_size(224, 224) == (224, 224)


def test_logits_are_not_activations(changeable, images):
    with torch.inference_mode():
        for parameter in changeable.parameters():
            if changeable.num_classes in parameter.shape[:2]:  # the last layer, and few others
                parameter.mul_(1000)
        logits = changeable(images)
    assert logits.abs().max() > 1  # a sigmoid, softmax or tanh gives no more
    assert logits.exp().sum(1).sub(1).abs().max() > 0.01  # a log-softmax gives 1
    assert (logits == 0).float().mean() < 0.1  # a ReLU gives many


def test_every_parameter_learns(changeable, images):
    for training in (False, True):  # a ReLU of one channel may be dead by chance in one of them
        changeable.train(training)
        sum(logits.square().mean() for logits in changeable.training_logits(images)).backward()
    dead = [n for n, p in changeable.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_it_trains_at_its_least_size_in_mixed_precision(changeable):
    changeable.train().to(memory_format=torch.channels_last)
    prepare_for_cpu(changeable)  # as a training does
    size = least(changeable)
    images = torch.randn(2, 1, *size).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trained = changeable.training_logits(images)
    assert len(trained) == 1 + len(changeable.auxiliary_weights)
    assert [logits.shape for logits in trained] == [(2, 3, *size)] * len(trained)
    sum(logits.float().square().mean() for logits in trained).backward()
    gradients = [p.grad for p in changeable.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_it_returns_one_tensor_in_training_too(changeable, images):
    with torch.no_grad():
        logits = changeable.train()(images)
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 3, *images.shape[2:])


def test_the_first_training_logits_are_those_of_the_forward_pass(model, images):
    with torch.inference_mode():
        close(model.training_logits(images)[0], model(images))


def test_its_first_and_last_layers_are_found_by_their_role(model, request):
    """Those whose shapes follow the channels of the image and the classes; Muon leaves them."""
    with torch.device("meta"):
        other = small(request.node.callspec.params["model"], in_channels=2, num_classes=5)
    pairs = zip(model.named_modules(), other.modules(), strict=True)
    ends = {}  # of each layer: its numbers of channels, here and in the other model
    for (name, layer), twin in pairs:
        if isinstance(layer, LAYERS):
            turn = isinstance(layer, nn.ConvTranspose2d)
            shapes = [tuple(weight.shape[:2]) for weight in (layer.weight, twin.weight)]
            ends[name] = [shape if turn else shape[::-1] for shape in shapes]
    names = {id(weight): name for name, weight in model.named_parameters()}
    outer = {names[id(weight)].removesuffix(".weight") for weight in outer_weights(model)}
    first = {name for name, (here, there) in ends.items() if (here[0], there[0]) == (1, 2)}
    # a whole number of channels for each class: depth-to-space may follow
    last = {name for name, (here, there) in ends.items() if 5 * here[1] == 3 * there[1]}
    assert first
    assert last
    maps = {name for name in ends if name.startswith("decoder.laterals.")}  # LEDNet's factors
    assert outer - maps == first | last


def test_an_image_is_predicted_without_its_neighbours(model, images):
    with torch.inference_mode():
        close(model(images)[:1], model(images[:1]))


def test_the_image_given_is_left_as_it_was(model, images):
    before = images.clone()
    with torch.inference_mode():
        model(images)
    assert torch.equal(images, before)


def test_saved_weights_make_another_model_the_same(model, images, request):
    other = small(request.node.callspec.params["model"]).eval()
    with torch.inference_mode():
        assert not torch.equal(other(images), model(images))
        other.load_state_dict(model.state_dict())
        assert torch.equal(other(images), model(images))


def logits_shape(graph: bytes, image: tuple[int, int, int]) -> tuple[int, ...]:
    """What the check of bundles finds, which allows the operators of all these graphs."""
    found = scan_onnx(graph)
    computation = Computation(found.nodes, found.constants, "image", "logits", OPERATORS)
    return count_work(computation, image).logits


@pytest.mark.slow
@pytest.mark.parametrize("model", EXPORTED, indirect=True)
def test_the_exported_graph_gives_the_same_logits(model, images, request):
    name = request.node.callspec.params["model"]
    if name in RESNET_34:
        model = with_statistics(build_model(name, in_channels=1, num_classes=3, encoder="resnet18"))
    graph = serialised(to_onnx(model, (images.shape[2], images.shape[3])))
    assert logits_shape(graph, images.shape[1:]) == (1, 3, *images.shape[2:])
    found = torch.from_numpy(OnnxRuntimeEngine(graph, threads=1)(images.numpy()))
    with torch.inference_mode():
        close(found, model(images))


def test_a_size_that_does_not_fit_is_refused_with_the_fix(model):
    height, width = (side + 1 for side in least(model))
    fits = model.valid_size(height, width)
    if model.fixed_size:
        fix = rf"takes {fits[0]}x{fits[1]} pixels only, .* with size=\({height}, {width}\)"
    else:
        fix = f"got {height}x{width}; pad the image to {fits[0]}x{fits[1]}"
    for call in (model, model.training_logits):
        with pytest.raises(DataError, match=fix):
            call(torch.zeros(1, 1, height, width))


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 64, 64)])
def test_a_batch_of_another_shape_is_refused(model, shape):
    with pytest.raises(DataError, match=r"expected a batch of shape \(N, 1, H, W\), got"):
        model(torch.zeros(shape))
