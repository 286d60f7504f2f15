"""Attention U-Net: Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", 2018.

arXiv:1804.03999. A U-Net whose skip connections are gated. What the decoder knows already decides,
pixel by pixel, how much of the encoder's features comes through, so that the detail of the
background is left behind.

Departures: it has two dimensions in place of three. The gate compares the two maps at the skip's
own scale, after the decoder's doubling, where the paper compares them at the coarser scale and
interpolates the coefficients. The departures of ``unet`` hold too. This is the form that
comparisons in two dimensions quote with 34.9 million parameters. It has no deep supervision, as
there.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from bmis.models.networks.unet import UNet
from bmis.models.registry import register


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels))


class AttentionGate(nn.Module):
    """Scale every pixel of the encoder's features by a factor in 0..1 (additive attention).

    Example:
        >>> import torch
        >>> features, decoded = torch.ones(2, 1, 4, 8, 8)
        >>> AttentionGate(4)(features, decoded).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.of_features = _projection(channels, inner)
        self.of_decoded = _projection(channels, inner)
        self.coefficient = nn.Sequential(nn.ReLU(inplace=True), *_projection(inner, 1))

    def forward(self, features: Tensor, decoded: Tensor) -> Tensor:
        """Scale features (N, C, H, W) by what the decoder's (N, C, H, W) say; the shape stays."""
        both = self.of_features(features) + self.of_decoded(decoded)
        factors: Tensor = self.coefficient(both).sigmoid()  # (N, 1, H, W)
        return features * factors


@register("attention_unet", group="classic", source="arXiv:1804.03999", licence="MIT")
class AttentionUNet(UNet):
    """A U-Net with an attention gate on each skip connection; the arguments are those of U-Net.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("attention_unet", widths=(4, 8))
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
    ) -> None:
        super().__init__(in_channels, num_classes, widths=widths)
        self.gates = nn.ModuleList(AttentionGate(width) for width in list(reversed(widths))[1:])

    def skip(self, step: int, features: Tensor, decoded: Tensor) -> Tensor:
        return self.gates[step](features, decoded)
