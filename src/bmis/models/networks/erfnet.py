"""ERFNet (Romera et al., "ERFNet: Efficient Residual Factorized ConvNet", IEEE T-ITS 19, 2018).

Residual blocks whose 3x3 convolutions are pairs of 3x1 and 1x3 ones, dilated at 1/8 of the image's
size, and a decoder of transposed convolutions and the same blocks. The parts are in
``layers.factorised``, because BMIS is made of them too.

Departures: encoder and decoder are trained at once. The encoder's own classifier (129 parameters a
class), with which the authors train the encoder first, is left out.
"""

from torch import Tensor, nn

from bmis.models.base import SegmentationModel
from bmis.models.layers.factorised import ParallelDownsampling, Upsampling, residual_stage
from bmis.models.registry import register


@register("erfnet", group="light", source="doi:10.1109/TITS.2017.2750080", licence="CC-BY-NC-4.0")
class ERFNet(SegmentationModel):
    """Three halvings with factorised residual blocks and a decoder of the same.

    Args:
        in_channels: Channels of the image, fewer than 16.
        num_classes: Channels of the logits, background included.

    Raises:
        ConfigError: Channels or classes are below 1, or there are 16 channels or more.

    Example:
        >>> import torch
        >>> from bmis import build_model
        >>> model = build_model("erfnet")
        >>> model(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 2) -> None:
        super().__init__(in_channels, num_classes, stride=8)
        self.stem = ParallelDownsampling(in_channels, 16)
        self.down_1 = ParallelDownsampling(16, 64)
        self.stage_1 = residual_stage(64, [1] * 5, dropout=0.03)
        self.down_2 = ParallelDownsampling(64, 128)
        self.stage_2 = residual_stage(128, [2, 4, 8, 16] * 2, dropout=0.3)
        self.up_1 = Upsampling(128, 64)
        self.decoder_1 = residual_stage(64, [1, 1], dropout=0.0)
        self.up_2 = Upsampling(64, 16)
        self.decoder_2 = residual_stage(16, [1, 1], dropout=0.0)
        self.head = nn.ConvTranspose2d(16, num_classes, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        y = self.stage_1(self.down_1(self.stem(x)))  # (N, 64, H/4, W/4)
        y = self.stage_2(self.down_2(y))  # (N, 128, H/8, W/8)
        y = self.decoder_1(self.up_1(y))
        y = self.decoder_2(self.up_2(y))  # (N, 16, H/2, W/2)
        return self.head(y)
