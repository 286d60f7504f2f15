"""Put layers into a model whose gradients on CPUs are faster, or right where torch's are wrong.

Each replaced layer keeps its parameters, hooks and name, so that weights, state and answers stay
what they are.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from bmis.models.layers.cpu_layers import (
    FastReLU,
    Float32Conv2d,
    MatmulGradientConv2d,
    StridedConv2d,
    kernel_reach,
)

_DENSE = 32  # channels from which on matrix products are faster


def prepare_for_cpu(model: nn.Module) -> None:
    """Have a model train fast and correctly on a CPU; its answers and weights stay what they are.

    In bf16 some convolutions stay in float32 and ReLUs are computed on integers. In float32 some
    weights learn by matrix products. A layer that is the model itself has no parent to be replaced
    in, and is left as it is.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
        >>> prepare_for_cpu(model)
        >>> type(model[1]).__name__
        'FastReLU'
    """
    keep_in_float32(model)
    use_matmul_weight_gradient(model)
    _replace(model, lambda layer: FastReLU if type(layer) is nn.ReLU and layer.inplace else None)


def use_matmul_weight_gradient(model: nn.Module) -> None:
    """Have a model train faster in float32 on a processor with AVX2 and no wider vectors.

    There oneDNN's gradients of dense kernels' weights are far slower than its other convolutions,
    and slower than matrix products. With few channels products are slower
    (``benchmarks/products.py``).

    Example:
        >>> model = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1))
        >>> use_matmul_weight_gradient(model)
        >>> isinstance(model[0], nn.Conv2d)  # a MatmulGradientConv2d on processors with AVX2
        True
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        return
    _replace(model, lambda layer: MatmulGradientConv2d if _is_dense(layer) else None)


def keep_in_float32(model: nn.Module) -> None:
    """Have a model train in float32 where oneDNN's bf16 gradients are of no use (oneDNN 3.12).

    Some are silently wrong, or crash the process: those of ``_is_wrong_in_bf16`` and, on
    processors with AMX, those of kernels that stride across maps one pixel wide. Some are slower
    than float32: those of ``_is_slow_in_bf16``.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(8, 8, 3, dilation=2))
        >>> keep_in_float32(model)
        >>> type(model[0]).__name__
        'Float32Conv2d'
    """
    _replace(model, _bf16_kind)


def _replace(model: nn.Module, choose: Callable[[nn.Module], type[nn.Module] | None]) -> None:
    """Replace every layer inside a model for which ``choose`` names another class.

    A layer that stands in several places stays one layer.
    """
    made: dict[nn.Module, nn.Module] = {}
    for name, layer in list(model.named_modules(remove_duplicate=False)):
        kind = choose(layer)
        if kind is None or not name:
            continue
        if layer not in made:
            made[layer] = _converted(layer, kind)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, made[layer])


def _converted(layer: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """A layer of another class with the same parameters, hooks and settings."""
    new = kind.__new__(kind)
    new.__dict__.update(layer.__dict__)  # the constructor would draw new weights
    return new


def _bf16_kind(layer: nn.Module) -> type[nn.Module] | None:
    if type(layer) is not nn.Conv2d:
        return None
    if _is_wrong_in_bf16(layer) or _is_slow_in_bf16(layer):
        return Float32Conv2d
    return StridedConv2d if layer.stride[1] > 1 else None


def _is_dense(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and layer.groups == 1
        and layer.stride == (1, 1)
        and max(layer.kernel_size) > 1
        and all(side % 2 for side in layer.kernel_size)
        and layer.padding == kernel_reach(layer.weight, cast(tuple[int, int], layer.dilation))
        and layer.padding_mode == "zeros"
        and min(layer.in_channels, layer.out_channels) >= _DENSE
    )


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
