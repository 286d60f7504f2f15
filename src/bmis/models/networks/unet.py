"""U-Net: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation".

arXiv:1505.04597, MICCAI 2015. An encoder halves the image scale by scale, and a decoder doubles it
back. At each scale the encoder's features are joined to the decoder's, so that the detail which the
halvings lose reaches the mask.

Departures, as in nearly everything that is compared with "U-Net" today: convolutions are padded, so
that the mask has the image's size. Every 3x3 convolution is followed by batch norm. The decoder's
convolution after each doubling is 3x3 with batch norm and ReLU, not 2x2 without. There is no
dropout. These give the 34.5 million parameters that comparisons quote.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each normalised: a scale of the encoder or of the decoder.

    Example:
        >>> DoubleConv(3, 8)(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            ConvNormAct(in_channels, out_channels, bias=True),
            ConvNormAct(out_channels, out_channels, bias=True),
        )


class UpConvolution(nn.Module):
    """Double H and W by repeating pixels, then a 3x3 convolution to fewer channels.

    Example:
        >>> UpConvolution(8, 4)(torch.zeros(1, 8, 8, 8)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0))


@register("unet", group="classic", source="arXiv:1505.04597", licence="none stated")
class UNet(SegmentationModel):
    """Encoder and decoder with a skip connection at each scale.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        widths: Feature channels of the scales, finest first; each further scale halves H and W.

    Raises:
        ConfigError: There are fewer than two scales, or a width is below 1.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("unet", widths=(4, 8))
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
        if len(widths) < 2 or min(widths) < 1:
            raise ConfigError(
                f"widths must be 2 or more numbers of channels, 1 or more each, got {list(widths)}"
            )
        super().__init__(in_channels, num_classes, stride=2 ** (len(widths) - 1))
        rising = list(pairwise([in_channels, *widths]))
        falling = list(pairwise(reversed(widths)))
        self.encoders = nn.ModuleList(DoubleConv(i, o) for i, o in rising)
        self.ups = nn.ModuleList(UpConvolution(i, o) for i, o in falling)
        self.decoders = nn.ModuleList(DoubleConv(2 * o, o) for _, o in falling)
        self.head = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        features = [self.encoders[0](x)]  # finest first
        for encode in list(self.encoders)[1:]:
            features.append(encode(F.max_pool2d(features[-1], 2)))
        y = features.pop()
        for step, (up, decode) in enumerate(zip(self.ups, self.decoders, strict=True)):
            y = up(y)
            y = decode(torch.cat([self.skip(step, features.pop(), y), y], dim=1))
        return self.head(y)

    def skip(self, step: int, features: Tensor, decoded: Tensor) -> Tensor:
        """Choose what the decoder sees of the encoder's features: here, all of them.

        Args:
            step: Step of the decoder, 0 at the coarsest scale that has a skip connection.
            features: The encoder's features (N, C, H, W) at this scale.
            decoded: The decoder's features (N, C, H, W) before the two are joined.
        """
        return features
