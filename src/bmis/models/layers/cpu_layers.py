"""Layers whose gradients torch computes on CPUs in more passes than needed, slowly or wrongly.

Those that are faster than torch's step aside while a graph is being exported or compiled, and
where nothing is trained.
"""

from itertools import product
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def _trains(x: Tensor) -> bool:
    return x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling()


class _Means(torch.autograd.Function):
    """The input and its means; the gradients of both are joined in one pass.

    The gradient of ``Tensor.mean`` is in contiguous memory. Adding it to one in channels-last
    costs as much as ten passes.
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
    """Average the channels of a map in such a way that training needs one pass less.

    Args:
        x: A map (N, C, H, W).

    Returns:
        The map, to be used in place of ``x``, and the means of its channels (N, C, 1, 1).

    Example:
        >>> x, means = with_means(torch.arange(4.0).view(1, 1, 2, 2))
        >>> means.tolist()
        [[[[1.5]]]]
    """
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


class FastReLU(nn.ReLU):
    """A ReLU in place that trains in bf16 on integers.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
        >>> FastReLU(inplace=True)(x * 1).tolist()
        [0.0, 2.0]
    """

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

    Example:
        >>> TransposedConvolution(4, 2, 2, stride=2)(torch.zeros(1, 4, 8, 8)).shape
        torch.Size([1, 2, 16, 16])
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


class _MatmulGradient(torch.autograd.Function):
    """A convolution that keeps H and W; the gradient of its weights is a matrix product."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dilation: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.padding = dilation, kernel_reach(weight, dilation)
        return F.conv2d(x, weight, bias, padding=ctx.padding, dilation=dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        geometry = ((1, 1), ctx.padding, ctx.dilation, False, (0, 0), 1)
        of_x, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, *geometry, (True, False, False)
        )
        of_weight = matmul_weight_gradient(x, gradient, weight, ctx.dilation)
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias, None


def kernel_reach(weight: Tensor, dilation: tuple[int, int]) -> tuple[int, int]:
    """How many pixels a kernel (O, I, h, w) sees to either side, down and across.

    Example:
        >>> kernel_reach(torch.zeros(8, 4, 3, 1), dilation=(2, 2))
        (2, 0)
    """
    return dilation[0] * (weight.shape[2] // 2), dilation[1] * (weight.shape[3] // 2)


def matmul_weight_gradient(
    x: Tensor, gradient: Tensor, weight: Tensor, dilation: tuple[int, int]
) -> Tensor:
    """Gradient of a kernel's weights by one matrix product for each place of the kernel.

    An image's pixels are taken as one long list, along which each place looks a fixed number of
    pixels ahead or back. Zeros at the end of each row keep it from seeing the next row.

    Args:
        x: Input of the convolution (N, I, H, W).
        gradient: Gradient of its output (N, O, H, W).
        weight: The kernel (O, I, h, w), whose sides are odd.
        dilation: Dilation down and across.

    Returns:
        The gradient of ``weight``, of its shape.

    Example:
        >>> x, kernel = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 3, 3)
        >>> matmul_weight_gradient(x, x, kernel, (1, 1)).int().tolist()
        [[[[9, 12, 9], [12, 16, 12], [9, 12, 9]]]]
    """
    down, across = kernel_reach(weight, dilation)
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


class MatmulGradientConv2d(nn.Conv2d):
    """A convolution whose weights learn by ``matmul_weight_gradient`` in float32.

    Example:
        >>> conv = MatmulGradientConv2d(4, 4, 3, padding=1)
        >>> conv(torch.zeros(1, 4, 8, 8)).sum().backward()
        >>> conv.weight.grad.shape
        torch.Size([4, 4, 3, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        dilation = cast(tuple[int, int], self.dilation)
        return cast(Tensor, _MatmulGradient.apply(input, self.weight, self.bias, dilation))


class Float32Conv2d(nn.Conv2d):
    """A convolution in float32 under autocast too.

    Example:
        >>> conv, x = Float32Conv2d(4, 4, 3), torch.ones(1, 4, 8, 8)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     half = conv(x)
        >>> torch.equal(half, conv(x))
        True
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


class StridedConv2d(Float32Conv2d):
    """A convolution that is in float32 over maps one pixel wide; elsewhere autocast decides.

    Example:
        >>> StridedConv2d(4, 4, 3, stride=2, padding=1)(torch.zeros(1, 4, 8, 1)).shape
        torch.Size([1, 4, 4, 1])
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if input.shape[3] == 1 else nn.Conv2d.forward(self, input)
