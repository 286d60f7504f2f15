"""Weights as the authors of the networks publish them: their tensor names to our models."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from bmis.errors import BundleError, ConfigError, did_you_mean
from bmis.models.base import SegmentationModel
from bmis.models.registry import build_model

# What wraps the authors' names: DataParallel adds the first, a checkpoint flattened the second.
_PREFIX = re.compile(r"^((module|state_dict)\.)+")

_Rules = tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]

# From our names to those of the authors' checkpoint, applied in turn, each where it matches.
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


def load_published(name: str, tensors: Mapping[str, Tensor]) -> SegmentationModel:
    """Build a network and fill it with the weights of its authors' checkpoint.

    Args:
        name: A network whose authors published weights: "bmis" or "dsu_net".
        tensors: The authors' tensor names and values. Every name may carry ``module.`` and
            ``state_dict.`` in front. Image channels and classes follow the shapes.

    Returns:
        The model in evaluation mode, in float32. It gives logits where the authors' code gives
        their sigmoid. The published DSU-Net has one class, the foreground: a pixel is in the mask
        where its logit is above 0.

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
    _fill("bmis", model, tensors, _BMIS_RULES)
    return model


def _dsu_net(tensors: Mapping[str, Tensor]) -> SegmentationModel:
    first = _tensor("dsu_net", tensors, "stemk.conv.weight", ndim=4)
    last = _tensor("dsu_net", tensors, "final_conv4.weight", ndim=4)
    model = build_model("dsu_net", in_channels=first.shape[1], num_classes=last.shape[0])
    _fill("dsu_net", model, tensors, _DSU_NET_RULES)
    return model


_LOADERS: dict[str, Callable[[Mapping[str, Tensor]], SegmentationModel]] = {
    "bmis": _bmis,
    "dsu_net": _dsu_net,
}


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
    rules: _Rules,
) -> None:
    """Copy every tensor into ``model``: all of the model's, all of the file's, each once."""
    state = {}
    left = dict(tensors)
    for ours, target in model.state_dict().items():
        theirs = ours
        for pattern, replacement in rules:
            theirs = pattern.sub(replacement, theirs)
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
