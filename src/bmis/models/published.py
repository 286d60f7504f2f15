"""Weights as the authors of the networks publish them: their tensor names to our models."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from bmis.errors import BundleError, ConfigError, did_you_mean
from bmis.models.base import SegmentationModel, build_model

# What wraps the authors' names: DataParallel adds the first, a checkpoint flattened the second.
_PREFIX = re.compile(r"^((module|state_dict)\.)+")

# From our names to those of the BMIS checkpoint, applied in turn, each where it matches.
_BMIS_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^stem\."), "initial_block."),
    (re.compile(r"^stage_(\d)\.(\d+)"), lambda m: f"encoder_{m[1]}_{int(m[2]) + 1}"),
    (re.compile(r"^decoder_(\d)\.(\d+)"), lambda m: f"decoder_{m[1]}_{int(m[2]) + 1}"),
    (re.compile(r"^attention\.spatial"), "affinity_attention.sab"),
    (re.compile(r"^attention\.channel"), "affinity_attention.cab"),
    (re.compile(r"^head\."), "output_conv."),
    (re.compile(r"^(up_\d)\.0"), r"\1.conv"),
    (re.compile(r"^(up_\d)\.1"), r"\1.bn"),
    (re.compile(r"\.conv_(\d)\.0"), r".conv3x1_\1"),
    (re.compile(r"\.conv_(\d)\.2"), r".conv1x3_\1"),
    (re.compile(r"\.norm_(\d)"), r".bn\1"),
    (re.compile(r"\.norm\."), ".bn."),
)


def load_published(name: str, tensors: Mapping[str, Tensor]) -> SegmentationModel:
    """Build a network and fill it with the weights of its authors' checkpoint.

    Args:
        name: A network whose authors published weights: "bmis".
        tensors: The authors' tensor names and values. Every name may carry ``module.`` and
            ``state_dict.`` in front. Image channels and classes follow the shapes.

    Returns:
        The model in evaluation mode, in float32. It gives logits where the authors' code gives
        their sigmoid.

    Raises:
        ConfigError: There are no published weights of that name.
        BundleError: A tensor is missing, unknown, there twice or of another shape.
    """
    if name not in _LOADERS:
        raise ConfigError(f"no published weights of {name!r}{did_you_mean(name, _LOADERS)}")
    plain: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        short = _PREFIX.sub("", key)
        if short in plain:
            raise BundleError(f"{name}: tensor {short!r} is there twice; keep one of them")
        plain[short] = tensor
    return _LOADERS[name](plain).eval()


def _bmis(tensors: Mapping[str, Tensor]) -> SegmentationModel:
    first = _tensor("bmis", tensors, "initial_block.conv.weight", ndim=4)
    last = _tensor("bmis", tensors, "output_conv.weight", ndim=4)
    try:
        model = build_model("bmis", in_channels=first.shape[1], num_classes=last.shape[1])
    except ConfigError as error:
        raise BundleError(
            f"bmis: tensor 'initial_block.conv.weight' has shape {tuple(first.shape)}, "
            "which is not that of a published BMIS"
        ) from error
    _fill("bmis", model, tensors, _bmis_name)
    return model


def _bmis_name(ours: str) -> str:
    for pattern, theirs in _BMIS_RULES:
        ours = pattern.sub(theirs, ours)
    return ours


_LOADERS: dict[str, Callable[[Mapping[str, Tensor]], SegmentationModel]] = {"bmis": _bmis}


def _tensor(name: str, tensors: Mapping[str, Tensor], key: str, *, ndim: int) -> Tensor:
    if key not in tensors:
        raise BundleError(f"{name}: tensor {key!r} is missing; is this the authors' checkpoint?")
    if tensors[key].ndim != ndim:
        raise BundleError(f"{name}: tensor {key!r} has shape {tuple(tensors[key].shape)}")
    return tensors[key]


def _fill(
    name: str,
    model: SegmentationModel,
    tensors: Mapping[str, Tensor],
    authors_name: Callable[[str], str],
) -> None:
    """Copy every tensor into ``model``: all of the model's, all of the file's, each once."""
    state = {}
    left = dict(tensors)
    for ours, target in model.state_dict().items():
        theirs = authors_name(ours)
        if theirs not in left:
            if ours.endswith("num_batches_tracked"):  # a counter that old files do not have
                state[ours] = target
                continue
            raise BundleError(f"{name}: tensor {theirs!r} is missing; the checkpoint is not whole")
        value = left.pop(theirs)
        # The authors' 1-D convolution over the channels has one axis of length 1 fewer than ours.
        wanted = (1, 1, target.shape[-1]) if ".eca." in ours else tuple(target.shape)
        if tuple(value.shape) != wanted:
            raise BundleError(
                f"{name}: tensor {theirs!r} has shape {tuple(value.shape)}, {wanted} is wanted"
            )
        state[ours] = value.reshape(target.shape)
    if left:
        raise BundleError(f"{name}: tensor {min(left)!r} is not one of this network's")
    model.load_state_dict(state)
