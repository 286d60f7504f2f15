"""Layers that runtimes on devices are slow at, replaced by others that give the same numbers.

A transposed convolution becomes a convolution whose channels are then arranged on the finer grid
(depth to space). Runtimes have a fast convolution in float and in int8, and often no int8
transposed convolution at all.

A bicubic enlargement by two becomes a convolution of each channel by itself, followed by depth to
space. ONNX Runtime computes the original pixel by pixel, many times slower.
"""

import copy
import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bmis.models import SegmentationModel


def rewrite(model: SegmentationModel) -> SegmentationModel:
    """An equal network for export, in eval mode; the one that is given stays as it is.

    Example:
        >>> from bmis import build_model
        >>> plain = rewrite(build_model("unet", widths=(4, 8)))
        >>> any(isinstance(layer, nn.ConvTranspose2d) for layer in plain.modules())
        False
    """
    merged = copy.deepcopy(model).eval()
    merged.merge()
    for module in list(merged.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ConvTranspose2d) and _doubles(child):
                setattr(module, name, _sub_pixel(child))
            elif isinstance(child, nn.Upsample) and _is_bicubic(child):
                setattr(module, name, _Bicubic())
    return merged


def _is_bicubic(layer: nn.Upsample) -> bool:
    """Whether it enlarges by two between pixel centres, which ``_Bicubic`` does."""
    return layer.mode == "bicubic" and layer.scale_factor == 2 and not layer.align_corners


class _Bicubic(nn.Module):
    """``nn.Upsample(scale_factor=2, mode="bicubic")`` by four kernels of 5 x 5, one a phase."""

    kernel: Tensor  # (4, 1, 5, 5)

    def __init__(self) -> None:
        super().__init__()
        point = torch.zeros(1, 1, 9, 9)
        point[..., 4, 4] = 1
        spread = F.interpolate(point, scale_factor=2, mode="bicubic")  # (1, 1, 18, 18)
        # flipped: a neighbour d pixels on has the weight that the point gives to d pixels before
        phases = F.pixel_unshuffle(spread, 2)[0, :, 2:7, 2:7].flip(1, 2)
        self.register_buffer("kernel", phases[:, None])

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        beyond = F.pad(x, (2, 2, 2, 2), mode="replicate")
        fine = F.conv2d(beyond, self.kernel.repeat(channels, 1, 1, 1), groups=channels)
        return F.pixel_shuffle(fine, 2)


def _padding(layer: nn.ConvTranspose2d) -> tuple[int, int]:
    return cast(tuple[int, int], layer.padding)  # text such as "same" is for convolutions only


def _doubles(layer: nn.ConvTranspose2d) -> bool:
    """Whether the output is exactly ``stride`` times the input, as depth to space requires."""
    same = len({*layer.stride}) == 1
    grown = [
        kernel - 2 * padding + extra == stride
        for kernel, padding, extra, stride in zip(
            layer.kernel_size, _padding(layer), layer.output_padding, layer.stride, strict=True
        )
    ]
    return same and all(grown) and layer.groups == 1 and max(layer.dilation) == 1


def _sub_pixel(layer: nn.ConvTranspose2d) -> nn.Sequential:
    """Padding, a convolution with ``stride ** 2`` times the channels, depth to space.

    Row ``stride * m + a`` of the output depends on row ``m + d`` of the input through row
    ``a + padding - stride * d`` of the transposed kernel, if it has such a row. The same holds for
    columns. So all outputs of one phase ``a`` are one convolution.
    """
    stride = layer.stride[0]
    reach = [_reach(k, p, stride) for k, p in zip(layer.kernel_size, _padding(layer), strict=True)]
    (top, bottom), (left, right) = reach
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels * stride**2,
        (top + bottom + 1, left + right + 1),
        bias=layer.bias is not None,
    )
    with torch.no_grad():
        conv.weight.copy_(_kernel(layer, reach))
        if layer.bias is not None and conv.bias is not None:
            conv.bias.copy_(layer.bias.repeat_interleave(stride**2))
    pad: list[nn.Module] = (
        [nn.ZeroPad2d((left, right, top, bottom))] if any(map(any, reach)) else []
    )
    return nn.Sequential(*pad, conv, nn.PixelShuffle(stride))


def _reach(kernel: int, padding: int, stride: int) -> tuple[int, int]:
    """The most rows before and after its own that an output phase depends on."""
    first = math.ceil((padding - kernel + 1) / stride)
    last = (stride - 1 + padding) // stride
    return -first, last


def _kernel(layer: nn.ConvTranspose2d, reach: list[tuple[int, int]]) -> Tensor:
    """(out * stride^2, in, h, w) from the transposed layer's (in, out, kh, kw)."""
    stride = layer.stride[0]
    (top, bottom), (left, right) = reach
    size = (top + bottom + 1, left + right + 1)
    shape = (layer.out_channels, stride, stride, layer.in_channels, *size)
    kernel = layer.weight.new_zeros(shape)
    rows, columns = (
        _taps(k, p, stride, before)
        for k, p, (before, _) in zip(layer.kernel_size, _padding(layer), reach, strict=True)
    )
    for a, i, row in rows:
        for b, j, column in columns:
            kernel[:, a, b, :, i, j] = layer.weight[:, :, row, column].T
    return kernel.flatten(0, 2)


def _taps(kernel: int, padding: int, stride: int, before: int) -> list[tuple[int, int, int]]:
    """(phase, place in the new kernel, place in the transposed kernel) along one axis."""
    return [
        (a, d + before, a + padding - stride * d)
        for a in range(stride)
        for d in range(-before, kernel)
        if 0 <= a + padding - stride * d < kernel
    ]
