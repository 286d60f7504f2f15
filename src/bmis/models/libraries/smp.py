"""Networks of segmentation-models-pytorch (``smp``), each with one of its many encoders.

Iakubovskii, "Segmentation Models Pytorch", 2019. Each name's paper is that of its decoder: U-Net
(arXiv:1505.04597), U-Net++ (arXiv:1807.10165), MA-Net (doi:10.1109/ACCESS.2020.3025372), LinkNet
(arXiv:1707.03718), FPN (arXiv:1901.02446), PSPNet (arXiv:1612.01105), PAN (arXiv:1805.10180),
DeepLabv3+ (arXiv:1802.02611), UPerNet (arXiv:1807.10221), SegFormer (arXiv:2105.15203), DPT
(arXiv:2103.13413).

Departures from the library's defaults: no pretrained weights are loaded unless they are asked for
(``weights``), so nothing is downloaded. LinkNet and DeepLabv3+ use MobileNetV2 as encoder,
SegFormer its own MiT-B0, DPT ViT-B/16 and the others the library's ResNet-34. The vision
transformer of DPT takes images of any size, to which it interpolates its position embedding. Parts
of the encoder that the logits do not use are left out (the last stages under PSPNet, the classifier
under DPT). U-Net++ has no deep supervision and no network a classification head, as in the library.

The library is MIT-licensed, but its Mix Transformers (encoders "mit_b0" to "mit_b5") are under the
NVIDIA Source Code License, which allows research only.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bmis.config import check_choice
from bmis.errors import ConfigError, require
from bmis.models.base import SegmentationModel
from bmis.models.downloads import WEIGHTS, fetch_repository, reading_weights, wants_weights
from bmis.models.layers.unused import prune_unused
from bmis.models.registry import register

_FACTS: dict[str, Any] = {"licence": "MIT", "extra": "zoo"}
_NVIDIA = {**_FACTS, "licence": "MIT, encoder: NVIDIA non-commercial"}
_ARCHITECTURES = (
    *("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "PAN", "DeepLabV3Plus"),
    *("UPerNet", "Segformer", "DPT"),
)
_FILE = "model.safetensors"
_SIZES = {  # stride and smallest size, where the encoder does not decide them
    "PAN": (16, 128),  # three more halvings after the encoder
    "DPT": (32, 32),  # one more halving after the encoder
}


@register(
    "smp_unet",
    group="classic",
    source="arXiv:1505.04597",
    **_FACTS,
    architecture="Unet",
)
@register(
    "smp_unetplusplus",
    group="classic",
    source="arXiv:1807.10165",
    **_FACTS,
    architecture="UnetPlusPlus",
)
@register(
    "smp_manet",
    group="classic",
    source="doi:10.1109/ACCESS.2020.3025372",
    **_FACTS,
    architecture="MAnet",
)
@register(
    "smp_linknet",
    group="light",
    source="arXiv:1707.03718",
    **_FACTS,
    architecture="Linknet",
    encoder="mobilenet_v2",
)
@register(
    "smp_fpn",
    group="classic",
    source="arXiv:1901.02446",
    **_FACTS,
    architecture="FPN",
)
@register(
    "smp_pspnet",
    group="light",
    source="arXiv:1612.01105",
    **_FACTS,
    architecture="PSPNet",
)
@register(
    "smp_pan",
    group="classic",
    source="arXiv:1805.10180",
    **_FACTS,
    architecture="PAN",
)
@register(
    "smp_deeplabv3plus",
    group="light",
    source="arXiv:1802.02611",
    **_FACTS,
    architecture="DeepLabV3Plus",
    encoder="mobilenet_v2",
)
@register(
    "smp_upernet",
    group="classic",
    source="arXiv:1807.10221",
    **_FACTS,
    architecture="UPerNet",
)
@register(
    "smp_segformer",
    group="transformer",
    source="arXiv:2105.15203",
    **_NVIDIA,
    architecture="Segformer",
    encoder="mit_b0",
)
@register(
    "smp_dpt",
    group="transformer",
    source="arXiv:2103.13413",
    **_FACTS,
    architecture="DPT",
    encoder="tu-vit_base_patch16_224",
)
class SMPNetwork(SegmentationModel):
    """One of the library's architectures.

    H and W are multiples of the encoder's output stride: 8 for PSPNet, 16 for PAN (128 or more)
    and DeepLabv3+, 32 for the others.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        architecture: Its name in the library: Unet, UnetPlusPlus, MAnet, Linknet, FPN, PSPNet, PAN,
            DeepLabV3Plus, UPerNet, Segformer or DPT.
        encoder: Its name in the library, such as "resnet34", or "tu-" and a name of timm. DPT takes
            vision transformers only.
        weights: What the encoder starts from: "none", or "imagenet", which is fetched once; of
            timm's encoders those that belong to the name.

    Raises:
        BundleError: The file of the weights is damaged.
        ConfigError: There is no such architecture or encoder, the two do not go together, or the
            weights do not exist or cannot be fetched.
        MissingExtraError: The library is not installed.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("smp_unet", encoder="mobilenet_v2").eval()
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        architecture: str = "Unet",
        encoder: str = "resnet34",
        weights: str = "none",
    ) -> None:
        check_choice("architecture", architecture, _ARCHITECTURES)
        check_choice("weights", weights, WEIGHTS)
        library = require("segmentation_models_pytorch", extra="zoo")
        if not encoder.startswith("tu-"):
            check_choice("encoder", encoder, tuple(library.encoders.get_encoder_names()))
        # A Mix Transformer reads values while it is built, and the meta device holds none.
        values = torch.device("cpu") if encoder.startswith("mit_") else nullcontext()
        build = partial(
            getattr(library, architecture),
            encoder_name=encoder,
            in_channels=in_channels,
            classes=num_classes,
            **({"dynamic_img_size": True} if architecture == "DPT" else {}),
        )
        try:
            with values:
                network = build(encoder_weights=None)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise ConfigError(
                f"{architecture} on encoder {encoder!r}: {error}; choose another encoder"
            ) from error
        trained = wants_weights(weights)
        if trained:
            with reading_weights(_fetch(library, encoder)):
                # the names of timm's encoders say which weights are meant
                network = build(encoder_weights=encoder.startswith("tu-") or weights)
        stride, smallest = _SIZES.get(architecture, (int(network.encoder.output_stride), 0))
        super().__init__(in_channels, num_classes, stride=stride, smallest=smallest)
        self.network = network.to(torch.get_default_device())
        self._pretrained = trained
        prune_unused(self)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return self.network(x)

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        return self.network.encoder.parameters() if self._pretrained else ()


def _fetch(library: Any, encoder: str) -> Path:
    """The file of an encoder's weights of ImageNet, in the cache that the library reads."""
    if encoder.startswith("tu-"):
        timm = require("timm", extra="zoo")
        found = timm.get_pretrained_cfg(encoder.removeprefix("tu-"), allow_unregistered=False)
        if not found.hf_hub_id:
            raise ConfigError(f"timm has no weights of {encoder!r}; use weights=none")
        return fetch_repository(found.hf_hub_id, None, _FILE)
    known = library.encoders.encoders.get(encoder, {}).get("pretrained_settings", {})
    if "imagenet" not in known:
        others = f" (but {', '.join(known)})" if known else ""
        raise ConfigError(
            f"the library has no weights of ImageNet for {encoder!r}{others}; use weights=none"
        )
    where = known["imagenet"]
    return fetch_repository(where["repo_id"], where["revision"], "config.json", _FILE)
