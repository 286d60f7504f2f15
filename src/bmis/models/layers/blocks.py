"""Building blocks that more than one network uses."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RELU = partial(nn.ReLU, inplace=True)


class ConvNormAct(nn.Sequential):
    """A convolution padded by half its kernel, batch norm, activation.

    Args:
        in_channels: Channels that come.
        out_channels: Channels that go.
        kernel: Its side in pixels, odd.
        stride: Divides H and W.
        groups: Of the convolution; as many as channels makes it depthwise.
        bias: Of the convolution; batch norm makes it superfluous, but some authors count it.
        norm: Makes the batch norm of a number of channels.
        activation: Makes the activation; ``nn.Identity`` for none.
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
    """A depthwise 3x3 convolution and a 1x1, each normalised, ReLU after the second only."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            ConvNormAct(
                in_channels, in_channels, stride=stride, groups=in_channels, activation=nn.Identity
            ),
            ConvNormAct(in_channels, out_channels, 1),
        )


class InvertedBottleneck(nn.Module):
    """MobileNetV2's block (arXiv:1801.04381): more channels, depthwise 3x3, back to few.

    Residual where neither channels nor size change.
    """

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, *, stride: int = 1
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.body = nn.Sequential(
            ConvNormAct(in_channels, inner, 1),
            ConvNormAct(inner, inner, stride=stride, groups=inner),
            ConvNormAct(inner, out_channels, 1, activation=nn.Identity),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.residual else y  # type: ignore[no-any-return]


class NormPReLU(nn.Sequential):
    """Batch norm, then a ReLU whose slope below 0 is learnt by each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


class TripleConvStem(nn.Sequential):
    """Halves H and W by the first of three 3x3 convolutions: the stem of CGNet and DABNet."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for inputs, stride in ((in_channels, 2), (out_channels, 1), (out_channels, 1)):
            conv = nn.Conv2d(inputs, out_channels, 3, stride=stride, padding=1, bias=False)
            self.extend((conv, NormPReLU(out_channels)))


def image_pyramid(x: Tensor, times: int) -> list[Tensor]:
    """The image at 1/2, 1/4, ... of its size, by averages over 3x3 pixels (zeros outside)."""
    images = [x]
    for _ in range(times):
        images.append(F.avg_pool2d(images[-1], 3, stride=2, padding=1))
    return images[1:]


class EfficientChannelAttention(nn.Module):
    """ECA (arXiv:1910.03151): the factor of each channel is a sigmoid of its neighbours' means.

    The 1-D convolution across channels is written as a 1 x k convolution over (N, 1, 1, C), which
    exports without the transposes that ``Conv1d`` leaves behind: seen so, the means lie in memory
    as they did.
    """

    def __init__(self, kernel: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, (1, kernel), padding=(0, kernel // 2), bias=False)

    def forward(self, means: Tensor) -> Tensor:
        """Means of the channels (N, C, 1, 1) -> their factors (N, C, 1, 1) in 0..1."""
        row = means.reshape(means.shape[0], 1, 1, -1)
        return self.conv(row).sigmoid().reshape(means.shape)  # type: ignore[no-any-return]


class SpatialAttention(nn.Module):
    """Scales each position by a 7x7 convolution of the mean and the maximum of its channels.

    The spatial half of CBAM (arXiv:1807.06521).
    """

    def __init__(self, *, dilation: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3 * dilation, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, C, H, W) -> the same shape."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * self.conv(summary).sigmoid()  # type: ignore[no-any-return]


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of a feature map.

    For maps that lie channels-last in memory the two permutations cost nothing.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def init_convolutions(model: nn.Module) -> None:
    """Draw all 2-D convolutions anew: variance 2 / (outputs that see one input), biases 0.

    Unlike torch's own rule it divides by the groups, so that depthwise kernels start as large as
    what they see asks for.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


_SMALL = 2**22  # entries of a P x P map, over the batch, that are sooner held than recomputed
_FAINTEST = -40.0  # e^-40 is 4e-18, far less than float32 tells apart in a sum of weights up to 1


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of every position to every position, without scaling.

    Args:
        query: (N, D, P) for P positions.
        key: (N, D, P).
        value: (N, C, P), C >= D.

    Returns:
        (N, C, P). Where the P x P map is large it is never held: the fused kernel takes over and
        memory grows with P. That kernel wants one width, so query and key are widened to C with
        zeros, which leaves every product as it is.
    """
    positions = query.shape[2]
    if _exporting() or positions * positions <= _SMALL:
        weights = _softmax(query.transpose(1, 2) @ key)  # (N, P, P), rows sum to 1
        return (weights @ value.transpose(1, 2)).transpose(1, 2)  # channels last, as maps are
    q, k, v = (t.transpose(1, 2).unsqueeze(1) for t in (query, key, value))  # (N, 1, P, D or C)
    widen = (0, v.shape[-1] - q.shape[-1])
    out = F.scaled_dot_product_attention(
        F.pad(q, widen).contiguous(), F.pad(k, widen).contiguous(), v.contiguous(), scale=1.0
    )
    return out.squeeze(1).transpose(1, 2)


def _softmax(scores: Tensor) -> Tensor:
    """Softmax of the rows, whose faintest weights are e^-40 of the largest and learn nothing.

    Left alone, weights and gradients below 1e-38 become denormal numbers, with which some
    processors multiply a hundred times slower (``benchmarks/denormals.py``). Products in bf16 take
    them for 0; in exported graphs they stay. Overwrites the scores.
    """
    if _exporting() or not scores.is_cpu or scores.dtype != torch.float32:
        return scores.softmax(-1)
    below = scores.sub_(scores.detach().amax(-1, keepdim=True))
    return below.clamp_(min=_FAINTEST).softmax(-1)


def _exporting() -> bool:
    """Whether a graph for other runtimes is being made: they have no fused kernel."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def channel_affinity(x: Tensor) -> Tensor:
    """Channels mixed by how unlike they are: softmax(rowmax(A) - A) X with A = X X^T.

    Args:
        x: (N, C, P) for P positions.

    Returns:
        (N, C, P) in float32: A sums over all positions and overflows half precision.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        affinity = x @ x.transpose(1, 2)  # (N, C, C)
        weights = _softmax(-affinity)  # that of rowmax(A) - A, by a constant in each row
        if _exporting():  # runtimes keep maps as they like; some go wrong at the other way
            return weights @ x
        return (x.transpose(1, 2) @ weights.transpose(1, 2)).transpose(1, 2)  # channels last
