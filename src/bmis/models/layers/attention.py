"""Attention to channels and to positions, as several networks use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SMALL = 2**22  # a map of P x P entries up to this size is held rather than computed again
_FAINTEST = -40.0  # e^-40 is 4e-18, far less than float32 resolves in a sum of weights up to 1
_PLAIN = ContextVar("plain_attention", default=False)


class EfficientChannelAttention(nn.Module):
    """ECA (arXiv:1910.03151): each channel's factor is a sigmoid of its neighbours' means.

    The 1-D convolution across channels is written as a 1 x k convolution over (N, 1, 1, C), which
    exports without the transposes that ``Conv1d`` leaves behind. The means keep their place in
    memory.

    Example:
        >>> factors = EfficientChannelAttention()(torch.zeros(1, 8, 1, 1))
        >>> factors.shape, factors.unique().tolist()
        (torch.Size([1, 8, 1, 1]), [0.5])
    """

    def __init__(self, kernel: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, (1, kernel), padding=(0, kernel // 2), bias=False)

    def forward(self, means: Tensor) -> Tensor:
        """Turn means of the channels (N, C, 1, 1) into their factors (N, C, 1, 1) in 0..1."""
        row = means.reshape(means.shape[0], 1, 1, -1)
        return self.conv(row).sigmoid().reshape(means.shape)


class SpatialAttention(nn.Module):
    """Scale each position by a 7x7 convolution of the mean and the maximum of its channels.

    This is the spatial half of CBAM (arXiv:1807.06521).

    Example:
        >>> SpatialAttention()(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(self, *, dilation: int = 1, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3 * dilation, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scale features (N, C, H, W); the shape stays."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * self.conv(summary).sigmoid()


class ChannelAttention(nn.Module):
    """Every channel attends to the channels unlike it, weighted by a learnt gamma that starts at 0.

    Example:
        >>> x = torch.randn(1, 4, 8, 8)
        >>> torch.equal(ChannelAttention()(x), x)  # before training
        True
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of (N, C, H, W); the shape stays."""
        return self.gamma * channel_affinity(x.flatten(2)).view_as(x).to(x.dtype) + x


@contextmanager
def plain_attention() -> Iterator[None]:
    """Compute attention as papers write it: the whole map is held, by torch's own softmax.

    Use it to count multiplications, or to measure what the faster ways save. It reaches the
    calling thread only, and no compiled or exported graph.

    Example:
        >>> with plain_attention():
        ...     seen = attend(*torch.zeros(3, 1, 4, 6))
        >>> seen.shape
        torch.Size([1, 4, 6])
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


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

    Example:
        >>> value = torch.tensor([[[1.0, 3.0]]])  # two positions of one channel
        >>> attend(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), value).tolist()
        [[[2.0, 2.0]]]
    """
    if _holds_map(query.shape[2]):
        weights = _softmax(query.transpose(1, 2) @ key)  # (N, P, P), rows sum to 1
        return (weights @ value.transpose(1, 2)).transpose(1, 2)  # channels last, as maps are
    q, k, v = (t.transpose(1, 2).unsqueeze(1) for t in (query, key, value))  # (N, 1, P, D or C)
    widen = (0, v.shape[-1] - q.shape[-1])
    out = F.scaled_dot_product_attention(
        F.pad(q, widen).contiguous(), F.pad(k, widen).contiguous(), v.contiguous(), scale=1.0
    )
    return out.squeeze(1).transpose(1, 2)


def channel_affinity(x: Tensor) -> Tensor:
    """Mix channels by how unlike they are: softmax(rowmax(A) - A) X with A = X X^T.

    Args:
        x: (N, C, P) for P positions.

    Returns:
        (N, C, P) in float32: A sums over all positions and overflows half precision.

    Example:
        >>> channel_affinity(torch.ones(1, 2, 3)).tolist()
        [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        affinity = x @ x.transpose(1, 2)  # (N, C, C)
        weights = _softmax(-affinity)  # equal to that of rowmax(A) - A: a constant in each row
        if _exporting():  # runtimes choose their own layout, and some go wrong on the other way
            return weights @ x
        return (x.transpose(1, 2) @ weights.transpose(1, 2)).transpose(1, 2)  # channels last


def _holds_map(positions: int) -> bool:
    return _exporting() or positions * positions <= _SMALL or _plain()


def _softmax(scores: Tensor) -> Tensor:
    """Softmax of the rows, whose faintest weights are e^-40 of the largest and learn nothing.

    Otherwise weights and gradients below 1e-38 become denormal numbers, with which some
    processors multiply a hundred times slower (``benchmarks/denormals.py``). Products in bf16 take
    them for 0; in exported graphs they stay. Overwrites the scores.
    """
    if _exporting() or _plain() or not scores.is_cpu or scores.dtype != torch.float32:
        return scores.softmax(-1)
    below = scores.sub_(scores.detach().amax(-1, keepdim=True))
    return below.clamp_(min=_FAINTEST).softmax(-1)


def _exporting() -> bool:
    """Whether a graph for other runtimes is being made: they have no fused kernel."""
    return torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()


def _plain() -> bool:
    return not torch.compiler.is_compiling() and _PLAIN.get()
