"""Layers whose gradients torch computes in more passes than are needed, or wrongly on CPUs.

The former step aside while a graph is being exported or compiled and where nothing is trained.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def _trains(x: Tensor) -> bool:
    return x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()


class _Means(torch.autograd.Function):
    """The input and its means; the gradients of both are joined in one pass.

    That of ``Tensor.mean`` is in contiguous memory, and added to one in channels-last it costs as
    much as ten passes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.view_as(x), x.mean((2, 3), keepdim=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, of_means: Tensor) -> Tensor:
        height, width = gradient.shape[2:]
        # A whole row of pixels at once: over channels alone the inner loop is short.
        row = (of_means / (height * width)).expand(-1, -1, 1, width)
        return gradient + row.contiguous(memory_format=torch.channels_last)


def with_means(x: Tensor) -> tuple[Tensor, Tensor]:
    """A map (N, C, H, W), to be used in place of ``x``, and its channels' means (N, C, 1, 1)."""
    if _trains(x):
        return cast(tuple[Tensor, Tensor], _Means.apply(x))
    return x, x.mean((2, 3), keepdim=True)


class _BiasGradient(torch.autograd.Function):
    """A map to which a bias (C,) has been added already; sums up the bias's gradient."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor) -> Tensor:
        ctx.dtype = bias.dtype
        return y.view_as(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.sum((0, 2, 3), dtype=ctx.dtype)


class TransposedConvolution(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` with a bias, whose gradient is one sum.

    On CPUs the bias's gradient otherwise comes from a reference kernel of oneDNN that takes half
    as long again as the gradients of input and weights together.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        bias = self.bias
        if bias is None or output_size is not None or not (bias.requires_grad and _trains(x)):
            return super().forward(x, output_size)
        y = F.conv_transpose2d(
            x,
            self.weight,
            bias.detach(),
            self.stride,
            cast(tuple[int, ...], self.padding),
            self.output_padding,
            self.groups,
            self.dilation,
        )
        return cast(Tensor, _BiasGradient.apply(y, bias))


class _DilatedConv2d(nn.Conv2d):
    """A convolution in float32, whatever autocast says."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


def keep_dilated_in_float32(model: nn.Module) -> None:
    """Have a model train rightly in bf16 on a CPU.

    oneDNN's bf16 gradient of the weights is wrong for dilated kernels over maps that lie
    channels-last: garbage without a word, or a crash of the process (seen with torch 2.15 on a
    processor with avx512_bf16). Dense kernels whose channels are multiples of 16 are right.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and max(module.dilation) > 1:
            channels = (module.in_channels, module.out_channels)
            if module.groups > 1 or any(count % 16 for count in channels):
                module.__class__ = _DilatedConv2d
