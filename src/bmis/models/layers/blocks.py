"""Building blocks that more than one network uses."""

import math
from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

_RELU = partial(nn.ReLU, inplace=True)


class ConvNormAct(nn.Sequential):
    """A convolution padded by half its kernel, batch norm, activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the kernel in pixels, odd.
        stride: H and W are divided by it.
        groups: Groups of the convolution; as many as channels makes it depthwise.
        bias: Whether the convolution has a bias. Batch norm makes it superfluous, but some authors
            count it.
        norm: Makes the batch norm for a number of channels.
        activation: Makes the activation; ``nn.Identity`` for none.

    Example:
        >>> import torch
        >>> ConvNormAct(3, 8, stride=2)(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] = _RELU,
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                stride=stride,
                padding=kernel // 2,
                groups=groups,
                bias=bias,
            ),
            norm(out_channels),
            activation(),
        )


class DepthwiseSeparable(nn.Sequential):
    """A depthwise 3x3 convolution and a 1x1, each normalised, with ReLU after the second only.

    Example:
        >>> import torch
        >>> DepthwiseSeparable(4, 8, stride=2)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            ConvNormAct(
                in_channels, in_channels, stride=stride, groups=in_channels, activation=nn.Identity
            ),
            ConvNormAct(in_channels, out_channels, 1),
        )


class InvertedBottleneck(nn.Module):
    """MobileNetV2's block (arXiv:1801.04381): widen the channels, depthwise, narrow them.

    It is residual where neither channels nor size change.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expansion: How many times as many channels are inside.
        kernel: Side of the depthwise kernel in pixels, odd.
        stride: H and W are divided by it.
        norm: Makes the batch norm for a number of channels.
        activation: Makes the activation of the first two convolutions.

    Example:
        >>> import torch
        >>> InvertedBottleneck(4, 8, expansion=6, stride=2)(torch.zeros(1, 4, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        norm: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] = _RELU,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        conv = partial(ConvNormAct, norm=norm)
        self.body = nn.Sequential(
            conv(in_channels, inner, 1, activation=activation),
            conv(inner, inner, kernel, stride=stride, groups=inner, activation=activation),
            conv(inner, out_channels, 1, activation=nn.Identity),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.residual else y


class NormPReLU(nn.Sequential):
    """Batch norm, then a ReLU whose slope below 0 is learnt by each channel.

    Example:
        >>> import torch
        >>> NormPReLU(2).eval()(torch.full((1, 2, 1, 1), -4.0)).flatten().tolist()
        [-0.99..., -0.99...]
    """

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


class TripleConvStem(nn.Sequential):
    """Three 3x3 convolutions, the first of which halves H and W: the stem of CGNet and DABNet.

    Example:
        >>> import torch
        >>> TripleConvStem(3, 8)(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for inputs, stride in ((in_channels, 2), (out_channels, 1), (out_channels, 1)):
            conv = nn.Conv2d(inputs, out_channels, 3, stride=stride, padding=1, bias=False)
            self.extend((conv, NormPReLU(out_channels)))


def image_pyramid(x: Tensor, times: int) -> list[Tensor]:
    """Shrink an image to 1/2, 1/4, ... of its size by averages over 3x3 pixels (zeros outside).

    Example:
        >>> import torch
        >>> [tuple(image.shape) for image in image_pyramid(torch.ones(1, 3, 16, 8), times=2)]
        [(1, 3, 8, 4), (1, 3, 4, 2)]
    """
    images = [x]
    for _ in range(times):
        images.append(F.avg_pool2d(images[-1], 3, stride=2, padding=1))
    return images[1:]


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of a feature map.

    For maps that lie channels-last in memory the two permutations cost nothing.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
        >>> ChannelNorm(2)(x).flatten().round().tolist()
        [-1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W); the shape stays."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def init_convolutions(model: nn.Module) -> None:
    """Draw all 2-D convolutions anew: variance 2 / (outputs that see one input), biases 0.

    Unlike torch's own rule it divides by the groups, so that depthwise kernels, which see one
    channel each, do not start too small.

    Example:
        >>> conv = nn.Conv2d(4, 4, 3, groups=4)
        >>> init_convolutions(conv)
        >>> conv.bias.tolist()
        [0.0, 0.0, 0.0, 0.0]
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
