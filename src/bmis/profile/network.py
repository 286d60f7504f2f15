"""The command ``profile`` for a network: what it costs to hold, to train and to run.

Times are of the network alone on tensors that lie on the device: float32 (no TF32), channels-last,
as ``predict`` runs it. On a GPU the clock is read only when all work given to it is done. Memory
is the peak of live tensors, weights included. On the CPU a dry run counts it (see
``models.complexity``), so that it is the same everywhere; on a GPU torch's allocator measures it.
MB are 10^6 bytes.
"""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bmis.errors import ConfigError, did_you_mean
from bmis.models import SegmentationModel, build_untrained, list_models
from bmis.models.checkpoint import choose_device, read_checkpoint
from bmis.models.complexity import count_macs
from bmis.models.threads import torch_threads
from bmis.profile.steps import (
    NotEnoughMemoryError,
    TooFewImagesError,
    device_name,
    inference,
    measure,
    training,
)


@dataclass(frozen=True)
class BatchCost:
    """The costs at one batch size.

    Attributes:
        batch: Images at once.
        latency_p50_ms: Median time of a forward pass of the batch.
        latency_p95_ms: 95th percentile of the time of a forward pass.
        images_per_second: Rate of forward passes, from their mean time.
        inference_mb: Peak memory of a forward pass.
        step_ms: Median time of a training step: forward, cross-entropy, backward, AdamW. None
            where the memory does not suffice, or where the norms need more images.
        training_mb: Peak memory of a training step, gradients and optimiser included, or None.

    Example:
        >>> cost = BatchCost(8, 40.0, 42.5, 200.0, 31.2, None, None)
        >>> cost.images_per_second
        200.0
    """

    batch: int
    latency_p50_ms: float
    latency_p95_ms: float
    images_per_second: float
    inference_mb: float
    step_ms: float | None
    training_mb: float | None


@dataclass(frozen=True)
class Profile:
    """The costs of one network at one image size on one device.

    Attributes:
        model: Name of the network, or the path of its run.
        in_channels: Channels of the image.
        num_classes: Channels of the logits.
        size: Height and width of the image in pixels.
        parameters: Number of trained parameters.
        macs: Multiply-accumulates of one image, attention included.
        weights_mb: Size of parameters and norm statistics.
        device: "cpu" or "cuda".
        device_name: Name of the processor or GPU.
        threads: How many threads torch computes with on the CPU.
        precision: Number format of the computation.
        torch: Version of torch.
        batches: One entry for each batch size.

    Example:
        >>> counts = (874_951, 1_556_000_000, 3.6)
        >>> machine = ("cpu", "a processor", 2, "float32", "2.9.0")
        >>> Profile("bmis", 3, 2, (224, 224), *counts, *machine, batches=()).to_dict()["size"]
        [224, 224]
    """

    model: str
    in_channels: int
    num_classes: int
    size: tuple[int, int]
    parameters: int
    macs: int
    weights_mb: float
    device: str
    device_name: str
    threads: int
    precision: str
    torch: str
    batches: tuple[BatchCost, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        return {**values, "size": list(self.size), "batches": list(values["batches"])}


def profile_model(
    model: str | Path | SegmentationModel,
    *,
    size: int | tuple[int, int] | None = None,
    batches: Sequence[int] = (1, 8),
    device: str = "cpu",
    threads: int | None = None,
    seconds: float = 1.0,
) -> Profile:
    """Count and measure what a network costs.

    The model that is given stays as it is.

    Args:
        model: A registered name, a run folder, a ``.safetensors`` file, or a model.
        size: Side, or height and width, of the image in pixels; by default that of the run, or 224.
        batches: Batch sizes to measure.
        device: "cpu", "cuda" or "auto".
        threads: How many threads torch uses on the CPU meanwhile; by default as many as it has.
        seconds: Least time for each measurement; at least ten calls are counted.

    Raises:
        ConfigError: There is no such model or device, a value is out of range, or the memory does
            not suffice.
        BundleError: The run's weights cannot be read.
        DataError: The model does not take that size.

    Example:
        >>> profile = profile_model("run", batches=(1,), seconds=0)
        >>> profile.size, profile.num_classes
        ((64, 64), 2)
    """
    if not batches or min(batches) < 1 or seconds < 0 or (threads is not None and threads < 1):
        raise ConfigError(
            f"batches and threads must be 1 or more and seconds 0 or more, "
            f"got {list(batches)}, {threads} and {seconds}"
        )
    target = choose_device(device)
    if target.type not in ("cpu", "cuda"):
        raise ConfigError(f"costs are measured on cpu and cuda only, got {device!r}")
    name, network, own_size = _find(model)
    shape = own_size if size is None else (size, size) if isinstance(size, int) else size
    state = [*network.parameters(), *network.buffers()]
    with (
        torch_threads(threads),
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
    ):
        return Profile(
            model=name,
            in_channels=network.in_channels,
            num_classes=network.num_classes,
            size=shape,
            parameters=sum(p.numel() for p in network.parameters()),
            macs=count_macs(network, shape),
            weights_mb=sum(t.nbytes for t in state) / 1e6,
            device=target.type,
            device_name=device_name(target),
            threads=torch.get_num_threads(),
            precision="float32",
            torch=torch.__version__,
            batches=tuple(_batch_cost(network, shape, b, target, seconds) for b in batches),
        )


def _find(
    model: str | Path | SegmentationModel,
) -> tuple[str, SegmentationModel, tuple[int, int]]:
    """Name, a copy of the model on the CPU, and its own size."""
    if isinstance(model, SegmentationModel):
        return type(model).__name__, copy.deepcopy(model).cpu(), (224, 224)
    if str(model) in list_models():
        with torch.random.fork_rng(devices=()):  # the caller's random numbers stay as they are
            return str(model), build_untrained(str(model)), (224, 224)
    if not Path(model).exists():
        known = did_you_mean(str(model), list_models())
        raise ConfigError(f"{model}: neither a run folder nor a model{known}")
    network, info = read_checkpoint(Path(model))
    return str(model), network, info.input.size


def _batch_cost(
    model: SegmentationModel,
    size: tuple[int, int],
    batch: int,
    device: torch.device,
    seconds: float,
) -> BatchCost:
    try:
        peak, forward = measure(model, inference, batch, size, device=device, seconds=seconds)
    except NotEnoughMemoryError:
        raise ConfigError(
            f"not enough memory on {device.type} for {batch} x {size[0]}x{size[1]} pixels; "
            "use a smaller --batch or --size"
        ) from None
    step_ms, training_mb = None, None
    with suppress(NotEnoughMemoryError, TooFewImagesError):
        held, steps = measure(model, training, batch, size, device=device, seconds=seconds)
        step_ms, training_mb = float(np.median(steps)) * 1e3, held / 1e6
    return BatchCost(
        batch=batch,
        latency_p50_ms=float(np.percentile(forward, 50)) * 1e3,
        latency_p95_ms=float(np.percentile(forward, 95)) * 1e3,
        images_per_second=batch / float(np.mean(forward)),
        inference_mb=peak / 1e6,
        step_ms=step_ms,
        training_mb=training_mb,
    )
