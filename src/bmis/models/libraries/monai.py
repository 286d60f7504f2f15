"""Networks of MONAI, in two dimensions.

The MONAI Consortium, "MONAI: Medical Open Network for AI". U-Net with residual units
(doi:10.1007/978-3-030-12029-0_40), Attention U-Net (arXiv:1804.03999), U-Net++ (arXiv:1807.10165),
the network of nnU-Net (DynUNet, arXiv:1809.10486), SegResNet (arXiv:1810.11654), Swin UNETR
(arXiv:2201.01266), UNETR (arXiv:2103.10504), and a U-Net over EfficientNet-B0 (FlexibleUNet).

Departures from the library's defaults: widths and depths are chosen where the library has none, as
described with each architecture. Pretrained weights are loaded only where there are some and they
are asked for (FlexibleUNet's EfficientNets). Parts that the library makes but
does not use are left out. U-Net++ and DynUNet have no deep supervision, as in the library. DynUNet
halves an image six times, yet takes multiples of 32: it is padded with zeros at the bottom and at
the right to the next multiple of 64, and the logits there are cut off.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.config import check_choice
from bmis.errors import BundleError, ConfigError, require
from bmis.models.base import SegmentationModel
from bmis.models.downloads import WEIGHTS, fetch_url, reading_weights, wants_weights
from bmis.models.imagenet import take_channels
from bmis.models.layers.unused import prune_unused
from bmis.models.registry import register

_FACTS: dict[str, Any] = {"licence": "Apache-2.0", "extra": "zoo"}
_NUMBERED = re.compile(r"(.+)\.\d+(\.\d+\..+)")  # layers that the library numbers twice
_PATCH = 16  # side of the patch of the image that becomes one token of UNETR


class _Plan(NamedTuple):
    """How the library builds a network: its class, and arguments besides the channels."""

    name: str
    stride: int
    smallest: int  # twice the stride where the coarsest scale has an instance norm
    options: dict[str, Any]


_FIVE_SCALES = {"channels": (16, 32, 64, 128, 256), "strides": (2, 2, 2, 2)}
_SEVEN_SCALES = {
    "kernel_size": [3] * 7,
    "strides": [1] + [2] * 6,
    "upsample_kernel_size": [2] * 6,
}
_PLANS = {
    "unet": _Plan("UNet", 16, 32, {**_FIVE_SCALES, "num_res_units": 2}),
    "attention_unet": _Plan("AttentionUnet", 16, 16, _FIVE_SCALES),
    "basic_unetplusplus": _Plan("BasicUNetPlusPlus", 16, 32, {}),
    "dynunet": _Plan("DynUNet", 64, 96, _SEVEN_SCALES),
    "segresnet": _Plan("SegResNet", 8, 8, {}),
    "swin_unetr": _Plan("SwinUNETR", 32, 64, {}),
}


class _MonaiNetwork(SegmentationModel):
    """A network of the library that checks its input first."""

    network: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return self.network(x)


@register(
    "monai_unet",
    group="light",
    source="doi:10.1007/978-3-030-12029-0_40",
    **_FACTS,
    architecture="unet",
)
@register(
    "monai_attention_unet",
    group="light",
    source="arXiv:1804.03999",
    **_FACTS,
    architecture="attention_unet",
)
@register(
    "monai_basic_unetplusplus",
    group="light",
    source="arXiv:1807.10165",
    **_FACTS,
    architecture="basic_unetplusplus",
)
@register(
    "monai_dynunet",
    group="classic",
    source="arXiv:1809.10486",
    **_FACTS,
    architecture="dynunet",
)
@register(
    "monai_segresnet",
    group="light",
    source="arXiv:1810.11654",
    **_FACTS,
    architecture="segresnet",
)
@register(
    "monai_swin_unetr",
    group="transformer",
    source="arXiv:2201.01266",
    **_FACTS,
    architecture="swin_unetr",
)
class MonaiNetwork(_MonaiNetwork):
    """One of the library's networks for images of many sizes, untrained.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        architecture: "unet" (widths 16 to 256, two convolutions in each residual unit),
            "attention_unet" (the same widths), "basic_unetplusplus", "dynunet" (nnU-Net's plain
            network of 7 stages, widths 32 to 512), "segresnet" (8 channels at the finest scale)
            or "swin_unetr" (24).

    Raises:
        ConfigError: There is no such architecture.
        MissingExtraError: The library is not installed.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("monai_segresnet")
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self, in_channels: int = 3, num_classes: int = 2, *, architecture: str = "unet"
    ) -> None:
        check_choice("architecture", architecture, tuple(_PLANS))
        plan = _PLANS[architecture]
        super().__init__(
            in_channels, num_classes, stride=min(plan.stride, 32), smallest=plan.smallest
        )
        self.padded_to = plan.stride
        self.network = _build(
            plan.name, in_channels=in_channels, out_channels=num_classes, **plan.options
        )
        if architecture == "basic_unetplusplus":  # it has heads for deep supervision
            prune_unused(self)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        height, width = x.shape[2:]
        missing = (0, -width % self.padded_to, 0, -height % self.padded_to)
        logits = self.network(F.pad(x, missing) if any(missing) else x)
        if isinstance(logits, list):  # U-Net++ without deep supervision
            logits = logits[0]
        return logits[..., :height, :width]


@register("monai_flexible_unet", group="classic", source="arXiv:1905.11946", **_FACTS)
class MonaiFlexibleUNet(_MonaiNetwork):
    """A U-Net's decoder over an encoder of the library.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        encoder: "efficientnet-b0" to "efficientnet-b8", "efficientnet-l2", "resnet10" to
            "resnet200".
        weights: What the encoder starts from: "none", or "imagenet", which is fetched once and
            which "efficientnet-b0" to "efficientnet-b7" have.

    Raises:
        BundleError: The file of the weights is damaged.
        ConfigError: There is no such encoder, it has no weights, or they cannot be fetched.
        MissingExtraError: The library is not installed.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("monai_flexible_unet", encoder="resnet10").eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        encoder: str = "efficientnet-b0",
        weights: str = "none",
    ) -> None:
        check_choice("weights", weights, WEIGHTS)
        super().__init__(in_channels, num_classes, stride=32)
        known = require("monai.networks.nets.flexible_unet", extra="zoo").FLEXUNET_BACKBONE
        check_choice("encoder", encoder, tuple(known.register_dict))
        build = partial(_build, "FlexibleUNet", out_channels=num_classes, backbone=encoder)
        self._pretrained = wants_weights(weights)
        if self._pretrained:  # made for colour, because the library drops a kernel that differs
            path = _fetch(encoder)
            with reading_weights(path):
                network = build(in_channels=3, pretrained=True)
                _check_loaded(network.encoder, path)
            take_channels(network.encoder, in_channels, trained=True)
        else:
            network = build(in_channels=in_channels)
        self.network = network
        prune_unused(self)  # the encoder's classifier

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        encoder = self.network.get_submodule("encoder")
        return encoder.parameters() if self._pretrained else ()


def _fetch(encoder: str) -> Path:
    """The file of an encoder's weights of ImageNet, in torch's cache."""
    known = require("monai.networks.nets.efficientnet", extra="zoo").url_map
    if encoder not in known:
        named = ", ".join(name for name in known if name.startswith("efficientnet"))
        raise ConfigError(
            f"the library has weights of ImageNet for {named}, not for {encoder!r}; use "
            "weights=none, or another encoder"
        )
    return fetch_url(known[encoder], hashed=False)


def _check_loaded(encoder: nn.Module, path: Path) -> None:
    """Refuse a file that lacks tensors, which the library would leave at random without a word."""
    found = torch.load(path, map_location="cpu", weights_only=True)
    for name, tensor in encoder.state_dict().items():
        theirs = _NUMBERED.sub(r"\1\2", name)
        if theirs not in found or found[theirs].shape != tensor.shape:
            raise BundleError(
                f"{path}: has no tensor {theirs!r} of shape {tuple(tensor.shape)}; delete it, so "
                "that it is fetched again, or use weights=none"
            )


@register("monai_unetr", group="transformer", source="arXiv:2103.10504", **_FACTS)
class MonaiUNETR(_MonaiNetwork):
    """A vision transformer on patches of 16 x 16 pixels and a convolutional decoder, untrained.

    It learns an embedding for each position, so it is built for one size of image.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        size: Height and width of the images, multiples of 16.

    Raises:
        ConfigError: The size is not two such numbers.
        MissingExtraError: The library is not installed.

    Example:
        >>> from bmis import build_model
        >>> with torch.device("meta"):  # shapes without weights
        ...     model = build_model("monai_unetr", size=(96, 96))
        >>> model.valid_size(100, 80)
        (96, 96)
    """

    def __init__(
        self, in_channels: int = 3, num_classes: int = 2, *, size: Sequence[int] = (224, 224)
    ) -> None:
        if len(size) != 2 or any(side < 1 or side % _PATCH for side in size):
            raise ConfigError(
                f"monai_unetr: size must be height and width, multiples of {_PATCH}, "
                f"got {list(size)}"
            )
        height, width = size
        super().__init__(in_channels, num_classes, stride=_PATCH, fixed_size=(height, width))
        network = _build(
            "UNETR", in_channels=in_channels, out_channels=num_classes, img_size=(height, width)
        )
        for block in network.vit.blocks:  # for cross-attention, which UNETR does not have
            del block.norm_cross_attn, block.cross_attn
        self.network = network


def _build(name: str, **options: Any) -> Any:
    """Build a network of the library in two dimensions."""
    require("einops", extra="zoo")  # the library would ask for it late, without our install line
    build = getattr(require("monai.networks.nets", extra="zoo"), name)
    # Swin UNETR reads values while it is built, and the meta device holds none.
    with torch.device("cpu") if name == "SwinUNETR" else nullcontext():
        network = build(spatial_dims=2, **options)
    return network.to(torch.get_default_device())
