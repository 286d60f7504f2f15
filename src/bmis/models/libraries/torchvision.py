"""Networks of torchvision.

LR-ASPP (arXiv:1905.02244), FCN (arXiv:1411.4038) and DeepLabv3 (arXiv:1706.05587).

Departures from the library's defaults: no pretrained weights are loaded unless they are asked for
(``weights``), so nothing is downloaded. They are those of the encoder that the library starts from,
ImageNet's first ones. The first convolution takes any number of image channels, where the library
takes three only. The result is the tensor of logits, not a dictionary. There are no auxiliary
heads, as in the library for networks without pretrained weights.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from bmis.config import check_choice
from bmis.errors import require
from bmis.models.base import SegmentationModel
from bmis.models.downloads import WEIGHTS, fetch_url, reading_weights, wants_weights
from bmis.models.imagenet import take_channels
from bmis.models.registry import register

_FACTS: dict[str, Any] = {"licence": "BSD-3-Clause", "extra": "zoo"}
_STRIDES = {  # of the encoder, whose last stages are dilated instead of strided
    ("lraspp", "mobilenet_v3_large"): 16,
    ("fcn", "resnet50"): 8,
    ("fcn", "resnet101"): 8,
    ("deeplabv3", "mobilenet_v3_large"): 16,
    ("deeplabv3", "resnet50"): 8,
    ("deeplabv3", "resnet101"): 8,
}


@register("tv_lraspp", group="light", source="arXiv:1905.02244", **_FACTS, architecture="lraspp")
@register(
    "tv_fcn",
    group="classic",
    source="arXiv:1411.4038",
    **_FACTS,
    architecture="fcn",
    encoder="resnet50",
)
@register(
    "tv_deeplabv3",
    group="classic",
    source="arXiv:1706.05587",
    **_FACTS,
    architecture="deeplabv3",
)
class TorchvisionNetwork(SegmentationModel):
    """One of the library's networks.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        architecture: "lraspp", "fcn" or "deeplabv3".
        encoder: "mobilenet_v3_large" (not of fcn), "resnet50" or "resnet101" (not of lraspp).
        weights: What the encoder starts from: "none", or "imagenet", which is fetched once.

    Raises:
        BundleError: The file of the weights is damaged.
        ConfigError: There is no such architecture, it does not go with that encoder, or the
            weights cannot be fetched.
        MissingExtraError: The library is not installed.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("tv_lraspp", in_channels=1).eval()
        >>> model(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        architecture: str = "lraspp",
        encoder: str = "mobilenet_v3_large",
        weights: str = "none",
    ) -> None:
        check_choice(
            "architecture", architecture, tuple(dict.fromkeys(name for name, _ in _STRIDES))
        )
        encoders = tuple(on for name, on in _STRIDES if name == architecture)
        check_choice(f"encoder of {architecture}", encoder, encoders)
        check_choice("weights", weights, WEIGHTS)
        super().__init__(in_channels, num_classes, stride=_STRIDES[architecture, encoder])
        library = require("torchvision.models.segmentation", extra="zoo")
        build = getattr(library, f"{architecture}_{encoder}")
        self._pretrained = wants_weights(weights)
        if self._pretrained:
            known = require("torchvision.models", extra="zoo").get_model_weights(encoder)
            first = known.IMAGENET1K_V1
            with reading_weights(fetch_url(first.url)):
                self.network = build(weights=None, weights_backbone=first, num_classes=num_classes)
        else:
            self.network = build(weights=None, weights_backbone=None, num_classes=num_classes)
        take_channels(self.network.backbone, in_channels, trained=self._pretrained)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return self.network(x)["out"]

    def trunk_parameters(self) -> Iterable[nn.Parameter]:
        return self.network.backbone.parameters() if self._pretrained else ()
