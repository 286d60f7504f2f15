"""SimpleUNet (Yu et al., 2025, arXiv:2506.13415): a U-Net as wide at depth as at full size.

"Simple is what you need for efficient and accurate medical image segmentation". Every scale has the
same number of channels. A pointwise convolution keeps a share of each skip connection's channels,
and the decoder is as narrow as that share. Where the two meet each channel of both has a learnt
factor of its own.

Departures: the authors end in batch norm and ReLU. Here the ReLU is left out, since logits have two
signs. The learnt factors are an option of the authors' code, off by default there, where they are
counted all the same. Here they are learnt, as in the paper. The size is that of their code's
defaults. The paper gives its other sizes in megabytes, from which no width follows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.errors import ConfigError
from bmis.models.base import SegmentationModel
from bmis.models.layers.blocks import ConvNormAct
from bmis.models.registry import register


class Fusion(nn.Module):
    """Upsample by 2 and join with a selection of the skip connection, each channel by its factor.

    Args:
        width: Channels of the skip connection.
        kept: Channels that are kept of it. Input and output have as many.

    Example:
        >>> fusion = Fusion(width=8, kept=4)
        >>> fusion(torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 16, 16)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, width: int, kept: int) -> None:
        super().__init__()
        self.select = ConvNormAct(width, kept, 1)
        self.skip_factor = nn.Parameter(torch.ones(kept, 1, 1))
        self.up_factor = nn.Parameter(torch.ones(kept, 1, 1))
        self.conv = ConvNormAct(2 * kept, kept)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x * self.up_factor, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv(torch.cat([self.select(skip) * self.skip_factor, x], dim=1))


@register("simple_unet", group="light", source="arXiv:2506.13415", licence="none stated")
class SimpleUNet(SegmentationModel):
    """U-Net of one convolution at each scale, all of the same width.

    Args:
        in_channels: Channels of the image.
        num_classes: Channels of the logits, background included.
        width: Channels at every scale of the encoder.
        scales: Number of scales, the image's own included; every further one halves H and W.
        kept: Share of the width that skip connections and decoder keep, above 0, at most 1.

    Raises:
        ConfigError: There are fewer than two scales, or the share leaves no channel.

    Example:
        >>> from bmis import build_model
        >>> model = build_model("simple_unet", width=4, scales=3)
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 2,
        *,
        width: int = 32,
        scales: int = 5,
        kept: float = 0.5,
    ) -> None:
        if scales < 2:
            raise ConfigError(f"simple_unet: scales must be 2 or more, got {scales}")
        if not 1 <= kept * width <= width:
            raise ConfigError(
                "simple_unet: kept must be a share of the width, at most 1, that leaves a channel "
                f"or more, got {kept} of {width}"
            )
        super().__init__(in_channels, num_classes, stride=2 ** (scales - 1))
        narrow = int(kept * width)
        self.stem = ConvNormAct(in_channels, width)
        self.encoders = nn.ModuleList(ConvNormAct(width, width) for _ in range(scales - 1))
        self.bottleneck = ConvNormAct(width, narrow)
        self.decoders = nn.ModuleList(Fusion(width, narrow) for _ in range(scales - 1))
        self.head = ConvNormAct(narrow, num_classes, 1, activation=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.stem(x)
        skips = []
        for encoder in self.encoders:
            skips.append(x)
            x = encoder(F.max_pool2d(x, 2))
        x = self.bottleneck(x)
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        return self.head(x)
