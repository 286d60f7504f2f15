"""MACs and memory of a network without computing anything: its operations on empty tensors.

Every operation of a forward pass, a backward pass and an optimiser's step goes through torch's
dispatcher. There its shapes give the number of multiplications, and its outputs the number of bytes
that are allocated. When a tensor dies its bytes are free again. The numbers are the same on every
machine and in every run, and cost neither the time nor the memory that they describe.
"""

import copy
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bmis.models.base import SegmentationModel
from bmis.models.layers.attention import plain_attention


def count_macs(model: SegmentationModel, size: tuple[int, int]) -> int:
    """Count the multiply-accumulates of one forward pass on one image.

    Convolutions and all matrix products count, those of attention included. Sums, norms, pooling
    and activations do not. Attention counts as published, whichever way it is computed.

    Args:
        model: The network, which is left as it is.
        size: Height and width of the image in pixels.

    Raises:
        DataError: The model does not take that size.

    Example:
        >>> from bmis import build_model
        >>> count_macs(build_model("bmis_tiny"), (224, 224))
        338...
    """
    counter = FlopCounterMode(display=False)
    with _empty(model) as empty, _published_attention(), counter, torch.no_grad():
        empty.eval()(torch.empty(1, model.in_channels, *size))
    return int(counter.get_total_flops()) // 2  # it counts multiplications and additions


def peak_bytes(
    model: SegmentationModel, work: Callable[[SegmentationModel], Callable[[], object]]
) -> int:
    """The most bytes that live tensors take at any one time: weights, inputs, all in between.

    It leaves out what a kernel needs for itself while it runs (a reordered copy of its weights, for
    instance), and what the process takes for code and allocator.

    Args:
        model: The network, which is left as it is.
        work: Makes a step from a copy of the model. The step runs twice, so that what the first run
            leaves behind (an optimiser's state) is there in the second.

    Example:
        >>> from bmis import build_model
        >>> def inference(model):
        ...     x = torch.zeros(1, 3, 32, 32)
        ...     return lambda: model(x)
        >>> model = build_model("simple_unet", width=4)
        >>> peak_bytes(model, inference) > sum(4 * p.numel() for p in model.parameters())
        True
    """
    with _empty(model) as empty:
        live = _LiveBytes()
        for tensor in (*empty.parameters(), *empty.buffers()):
            live.hold(tensor)
        with live:
            step = work(empty)
            step()
            step()
    return live.peak


@contextmanager
def _empty(model: SegmentationModel) -> Iterator[SegmentationModel]:
    """Yield a copy of the model whose tensors, and all new ones inside, have shapes but no data."""
    mode = FakeTensorMode()
    empty = copy.deepcopy(model).cpu()
    for module in empty.modules():
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in table.items():
                if tensor is not None:
                    table[name] = mode.from_tensor(tensor)
    with mode:
        yield empty


@contextmanager
def _published_attention() -> Iterator[None]:
    """Have attention hold its map.

    The fused kernel that our networks use for large inputs also multiplies by zeros: queries and
    keys are widened to the values' channels, which is no part of the method. torch up to 2.14 does
    not count the fused kernel of other libraries' networks at all.
    """
    with plain_attention(), sdpa_kernel(SDPBackend.MATH):
        yield


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Add up the storages of all tensors that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._held: set[int] = set()

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's storage, once however many tensors share it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._held:
            return
        self._held.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._release, key, size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self._held.discard(key)
        self._now -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.hold(leaf)
        return out
