"""Layers whose gradients torch computes in more passes than are needed, slowly or wrongly on CPUs.

Those of the first kind step aside while a graph is being exported or compiled and where nothing is
trained.
"""

from itertools import product
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_DENSE = 32  # channels from which on products are the quicker way


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


class _IntegerReLU(torch.autograd.Function):
    """ReLU of bf16, in place, as integers of 16 bits: their order is the same from 0 on.

    Torch widens bf16 to float32 and rounds it back. Not-a-numbers may become 0 here; the weights'
    gradients keep them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.view(torch.int16).clamp_(min=0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        passes = y.view(torch.int16).clamp(max=1)  # 1 or 0
        of_x: Tensor = passes.mul_(gradient.view(torch.int16)).view(torch.bfloat16)
        return of_x


class _QuickReLU(nn.ReLU):
    """A ReLU in place that trains in bf16 by ``_IntegerReLU``."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dtype == torch.bfloat16 and _trains(input):
            return cast(Tensor, _IntegerReLU.apply(input))
        return super().forward(input)


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


class _ByProducts(torch.autograd.Function):
    """A convolution that leaves maps as large as they are; its weights learn by ``_products``."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.padding = dilation, _reach(weight, dilation)
        return F.conv2d(x, weight, bias, padding=ctx.padding, dilation=dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        geometry = ((1, 1), ctx.padding, ctx.dilation, False, (0, 0), 1)
        of_x, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, *geometry, (True, False, False)
        )
        of_weight = _products(x, gradient, weight, ctx.dilation)
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias, None


def _reach(weight: Tensor, dilation: tuple[int, int]) -> tuple[int, int]:
    """How many pixels a kernel (O, I, h, w) sees to either side, down and across."""
    return dilation[0] * (weight.shape[2] // 2), dilation[1] * (weight.shape[3] // 2)


def _products(x: Tensor, gradient: Tensor, weight: Tensor, dilation: tuple[int, int]) -> Tensor:
    """Gradient of a kernel's weights (O, I, h, w): a matrix product for each place of the kernel.

    An image's pixels are taken as one long list, along which each place looks a fixed number of
    pixels ahead or back; zeros at the end of each row keep it from seeing the next row.
    """
    down, across = _reach(weight, dilation)
    seen, answered = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)  # (N, H, W, channels)
    if across:
        seen, answered = (F.pad(t, (0, 0, 0, across)) for t in (seen, answered))
    width = seen.shape[2]
    seen, answered = seen.flatten(1, 2), answered.flatten(1, 2)
    pixels = seen.shape[1]
    found = torch.empty_like(weight)
    for i, j in product(range(weight.shape[2]), range(weight.shape[3])):
        ahead = (i * dilation[0] - down) * width + j * dilation[1] - across
        ahead = max(-pixels, min(ahead, pixels))  # beyond the image there is nothing
        low, high = max(0, -ahead), pixels - max(0, ahead)
        by_image = torch.bmm(
            answered[:, low:high].transpose(1, 2), seen[:, low + ahead : high + ahead]
        )
        found[:, :, i, j] = by_image.sum(0)
    return found


class _ConvByProducts(nn.Conv2d):
    """A convolution that learns by ``_products`` in float32."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        dilation = cast(tuple[int, int], self.dilation)
        return cast(Tensor, _ByProducts.apply(input, self.weight, self.bias, dilation))


def prepare_for_cpu(model: nn.Module) -> None:
    """Have a model train quickly and rightly on a CPU; its answers and weights stay what they are.

    In bf16 some convolutions are kept in float32 and ReLUs are integers'; in float32 some weights
    learn by matrix products.
    """
    keep_in_float32(model)
    use_matmul_weight_gradient(model)
    for module in model.modules():
        if type(module) is nn.ReLU and module.inplace:
            module.__class__ = _QuickReLU


def use_matmul_weight_gradient(model: nn.Module) -> None:
    """Have a model train quicker in float32 on a processor with AVX2 and no wider vectors.

    oneDNN's gradients of such weights are far slower than its other convolutions there, and slower
    than products; of fewer channels products are the slower way (``benchmarks/products.py``).
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        return
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_dense(module):
            module.__class__ = _ConvByProducts


def _is_dense(conv: nn.Conv2d) -> bool:
    return (
        conv.groups == 1
        and conv.stride == (1, 1)
        and max(conv.kernel_size) > 1
        and all(side % 2 for side in conv.kernel_size)
        and conv.padding == _reach(conv.weight, cast(tuple[int, int], conv.dilation))
        and conv.padding_mode == "zeros"
        and min(conv.in_channels, conv.out_channels) >= _DENSE
    )


class _Float32Conv2d(nn.Conv2d):
    """A convolution in float32, whatever autocast says."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


class _StridedConv2d(_Float32Conv2d):
    """A convolution that is in float32 over maps one pixel wide."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if input.shape[3] == 1 else nn.Conv2d.forward(self, input)


def keep_in_float32(model: nn.Module) -> None:
    """Have a model train in float32 where oneDNN's bf16 gradients are of no use (oneDNN 3.12).

    Some are garbage without a word, or a crash of the process: where ``_is_wrong_in_bf16``, and, on
    processors with AMX, those of kernels that stride across maps one pixel wide. Some are slower
    than float32: where ``_is_slow_in_bf16``.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d:
            if _is_wrong_in_bf16(module) or _is_slow_in_bf16(module):
                module.__class__ = _Float32Conv2d
            elif module.stride[1] > 1:
                module.__class__ = _StridedConv2d


def _is_wrong_in_bf16(conv: nn.Conv2d) -> bool:
    """Dilated kernels over maps that lie channels-last, on any processor with avx512_bf16.

    Dense ones whose channels are multiples of 16 are right.
    """
    channels = (conv.in_channels, conv.out_channels)
    return max(conv.dilation) > 1 and (conv.groups > 1 or any(count % 16 for count in channels))


def _is_slow_in_bf16(conv: nn.Conv2d) -> bool:
    """Depthwise kernels that stride or are wider than 3 (``benchmarks/depthwise.py``).

    The gradient of maps that are strided over, and that of a wider kernel's weights, are slow.
    """
    depthwise = conv.groups == conv.in_channels > 1
    return depthwise and (max(conv.stride) > 1 or conv.kernel_size[1] > 3)
