"""Weights as the authors of networks publish them: their tensor names mapped to our models."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from bmis.errors import BundleError, ConfigError, did_you_mean
from bmis.models.base import SegmentationModel
from bmis.models.registry import build_model

# What precedes the authors' names: DataParallel adds the first, a flattened checkpoint the second.
_PREFIX = re.compile(r"^((module|state_dict)\.)+")

_Rules = tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]

# From our names to those of the authors' checkpoint: every rule that matches is applied, in order.
_BMIS_RULES: _Rules = (
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

_HEAD = {"0": "final_conv1", "1": "bn1", "3": "final_conv2", "4": "bn2"}
_HEAD |= {"6": "final_conv3", "8": "final_conv4"}
_DSU_NET_RULES: _Rules = (
    (re.compile(r"^coarse_encoder\.patches\.conv"), "patch_embeds3.proj"),
    (re.compile(r"^coarse_encoder\.patches"), "patch_embeds3"),
    (re.compile(r"^coarse_encoder\.merges\.(\d)"), lambda m: f"downs{int(m[1]) + 2}"),
    (re.compile(r"^coarse_encoder\.stages\.(\d)"), lambda m: f"layer{int(m[1]) + 1}"),
    (re.compile(r"\.attention\.bias_table"), ".attn.relative_position_bias_table"),
    (re.compile(r"\.attention\.projection"), ".attn.proj"),
    (re.compile(r"\.attention\."), ".attn."),
    (re.compile(r"\.norm_(\d)"), r".norm\1"),
    (re.compile(r"\.mlp\.([02])"), lambda m: f".mlp.fc{int(m[1]) // 2 + 1}"),
    (re.compile(r"^fine_encoder\.stem"), "stemk"),
    (re.compile(r"^fine_encoder\.downs\.(\d)"), lambda m: f"down{int(m[1]) + 1}"),
    (re.compile(r"^(stemk|down\d)\.norm"), r"\1.ln"),
    (
        re.compile(r"^fine_encoder\.extractors\.(\d)"),
        lambda m: f"FeatureExtractor{int(m[1]) + 1}",
    ),
    (re.compile(r"\.channel\."), ".cam."),
    (re.compile(r"\.near\."), ".lsa."),
    (re.compile(r"\.far\."), ".gam."),
    (re.compile(r"\.depthwise\.(\d)"), lambda m: f".conv{int(m[1]) + 1}.0"),
    (re.compile(r"\.gate\."), ".conv."),
    (re.compile(r"\.(query|key|value)\."), r".\1_conv."),
    (
        re.compile(r"\.surroundings\.branches\.(\d)"),
        lambda m: f".dilated_conv{int(m[1]) + 2}.conv",
    ),
    (re.compile(r"\.conv\.0\.(weight|bias)$"), r".conv.depthwise_conv_1xd.\1"),
    (re.compile(r"\.conv\.1\.(weight|bias)$"), r".conv.depthwise_conv_dx1.\1"),
    (re.compile(r"\.(surroundings\.)?mix\."), ".conv1x1."),
    (re.compile(r"^(coarse|fine)_decoder\.ups\.(\d)"), lambda m: f"{m[1]}_{4 - int(m[2])}"),
    (re.compile(r"\.(reduce|expand)\.0"), lambda m: ".conv1" if m[1] == "reduce" else ".conv3"),
    (re.compile(r"\.(reduce|expand)\.1"), lambda m: ".norm1" if m[1] == "reduce" else ".norm3"),
    (re.compile(r"^(coarse|fine)_decoder\.head\.(\d)"), lambda m: f"{m[1]}_{_HEAD[m[2]]}"),
    (re.compile(r"^(coarse|fine)_(\d)"), r"\1_decoder\2"),
    (re.compile(r"^coarse_"), "s"),
    (re.compile(r"^fine_"), ""),
)


@dataclass(frozen=True)
class _Checkpoint:
    """What a checkpoint that authors published looks like.

    Attributes:
        rules: From our tensor names to theirs.
        first: Their kernel that sees the image; its axis 1 has the image's channels.
        last: Their kernel that gives the logits.
        class_axis: The axis of ``last`` that has the classes.
    """

    rules: _Rules
    first: str
    last: str
    class_axis: int


_CHECKPOINTS = {
    "bmis": _Checkpoint(_BMIS_RULES, "initial_block.conv.weight", "output_conv.weight", 1),
    "dsu_net": _Checkpoint(_DSU_NET_RULES, "stemk.conv.weight", "final_conv4.weight", 0),
}
_FIX = "use the checkpoint as the network's authors published it"


def published_name(network: str, name: str) -> str:
    """Translate a tensor's name in our network to its name in the authors' checkpoint.

    Args:
        network: A network whose authors published weights: "bmis" or "dsu_net".
        name: A name in the network's ``state_dict``.

    Raises:
        ConfigError: There are no published weights of that network.

    Example:
        >>> published_name("bmis", "stage_1.0.conv_1.0.weight")
        'encoder_1_1.conv3x1_1.weight'
    """
    for pattern, replacement in _checkpoint(network).rules:
        name = pattern.sub(replacement, name)
    return name


def load_published(name: str, tensors: Mapping[str, Tensor]) -> SegmentationModel:
    """Build a network and fill it with the weights of its authors' checkpoint.

    Args:
        name: A network whose authors published weights: "bmis" or "dsu_net".
        tensors: The authors' tensor names and values. Every name may start with ``module.`` and
            ``state_dict.``. Image channels and classes follow from the shapes.

    Returns:
        The model in evaluation mode, in float32. It gives logits where the authors' code gives
        their sigmoid. The published DSU-Net has one class, the foreground: a pixel is in the mask
        where its logit is above 0.

    Raises:
        ConfigError: There are no published weights of that name.
        BundleError: A tensor is missing, unknown, there twice or of another shape.

    Example:
        >>> tensors = {  # as in a checkpoint of the authors, whose ECA has one axis fewer
        ...     published_name("bmis", name): tensor.squeeze(2) if ".eca." in name else tensor
        ...     for name, tensor in build_model("bmis", num_classes=3).state_dict().items()
        ... }
        >>> load_published("bmis", tensors).num_classes
        3
    """
    checkpoint = _checkpoint(name)
    plain: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        short = _PREFIX.sub("", key)
        if short in plain:
            raise BundleError(f"{name}: tensor {short!r} is there twice; keep one of them")
        plain[short] = tensor
    channels = _kernel(name, plain, checkpoint.first).shape[1]
    classes = _kernel(name, plain, checkpoint.last).shape[checkpoint.class_axis]
    try:
        model = build_model(name, in_channels=channels, num_classes=classes)
    except ConfigError as error:
        shape = tuple(plain[checkpoint.first].shape)
        raise BundleError(
            f"{name}: tensor {checkpoint.first!r} has shape {shape}, which does not fit ({error}); "
            f"{_FIX}"
        ) from error
    model.load_state_dict(_renamed(name, plain, model.state_dict()))
    return model.eval()


def _checkpoint(name: str) -> _Checkpoint:
    if name not in _CHECKPOINTS:
        raise ConfigError(f"no published weights of {name!r}{did_you_mean(name, _CHECKPOINTS)}")
    return _CHECKPOINTS[name]


def _kernel(name: str, tensors: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in tensors:
        raise BundleError(f"{name}: tensor {key!r} is missing; {_FIX}")
    if tensors[key].ndim != 4:
        raise BundleError(
            f"{name}: tensor {key!r} has shape {tuple(tensors[key].shape)}, 4 axes are wanted; "
            f"{_FIX}"
        )
    return tensors[key]


def _renamed(
    name: str, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Give every tensor our name: all that are wanted, all that the file has, each once."""
    state = {}
    left = dict(tensors)
    for ours, target in wanted.items():
        theirs = published_name(name, ours)
        if theirs not in left and ours.endswith("num_batches_tracked"):
            state[ours] = target  # a counter that old files do not have
            continue
        if theirs not in left:
            raise BundleError(f"{name}: tensor {theirs!r} is missing; {_FIX}")
        value = left.pop(theirs)
        # The authors' 1-D convolution over the channels has one axis of length 1 fewer than ours.
        shape = (1, 1, target.shape[-1]) if ".eca." in ours else tuple(target.shape)
        if tuple(value.shape) != shape:
            raise BundleError(
                f"{name}: tensor {theirs!r} has shape {tuple(value.shape)}, {shape} is wanted; "
                f"{_FIX}"
            )
        state[ours] = value.reshape(target.shape)
    if left:
        raise BundleError(f"{name}: tensor {min(left)!r} is not one of this network's; {_FIX}")
    return state
