"""Time and memory of one step of a network on a device: a forward pass or a training step."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F

from bmis.errors import is_out_of_memory
from bmis.models import SegmentationModel
from bmis.models.complexity import peak_bytes
from bmis.models.layers.cpu_gradients import use_matmul_weight_gradient
from bmis.system.memory import free_memory
from bmis.system.processor import processor_name
from bmis.system.stopwatch import Step, time_calls
from bmis.train.batches import is_one_value_per_channel

MakeStep = Callable[[SegmentationModel, int, tuple[int, int]], Step]


class NotEnoughMemoryError(Exception):
    """A step does not fit on the device.

    Example:
        >>> from bmis import build_model
        >>> model, cpu = build_model("bmis", widths=(4, 8, 12)), torch.device("cpu")
        >>> measure(model, inference, 10**8, (224, 224), device=cpu, seconds=0)
        Traceback (most recent call last):
        bmis.profile.steps.NotEnoughMemoryError
    """


class TooFewImagesError(Exception):
    """A training step needs more images, because some norm sees one value per channel.

    Example:
        >>> from bmis import build_model
        >>> model, cpu = build_model("bmis", widths=(4, 8, 12)), torch.device("cpu")
        >>> measure(model, training, 1, (8, 8), device=cpu, seconds=0)
        Traceback (most recent call last):
        bmis.profile.steps.TooFewImagesError
    """


def inference(
    model: SegmentationModel, batch: int, size: tuple[int, int]
) -> Callable[[], torch.Tensor]:
    """A forward pass as ``predict`` does it, in float32, on the device where the model lies.

    Example:
        >>> from bmis import build_model
        >>> inference(build_model("bmis", widths=(4, 8, 12)), 2, (32, 32))().shape
        torch.Size([2, 2, 32, 32])
    """
    model.eval()
    images = _images(model, batch, size)

    def step() -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model(images)
        return logits

    return step


def training(model: SegmentationModel, batch: int, size: tuple[int, int]) -> Step:
    """A training step in float32: forward, cross-entropy of all heads, backward, fused AdamW.

    Example:
        >>> from bmis import build_model
        >>> step = training(build_model("bmis", widths=(4, 8, 12)), 2, (32, 32))
        >>> step()
    """
    model.train()
    images = _images(model, batch, size)
    labels = torch.randint(model.num_classes, (batch, *size), device=images.device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        losses = [F.cross_entropy(logits, labels) for logits in model.training_logits(images)]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(
    model: SegmentationModel,
    make_step: MakeStep,
    batch: int,
    size: tuple[int, int],
    *,
    device: torch.device,
    seconds: float,
) -> tuple[int, list[float]]:
    """Peak memory and times of a step. The model that is given stays as it is.

    Args:
        model: The network.
        make_step: ``inference`` or ``training``.
        batch: Images at once.
        size: Height and width of the images in pixels.
        device: CPU or CUDA.
        seconds: Least sum of the times.

    Returns:
        The most bytes of tensors that live at one time (see ``profile.network``), and the seconds
        of each call.

    Raises:
        NotEnoughMemoryError: The step does not fit.
        TooFewImagesError: The step needs more than one image.

    Example:
        >>> from bmis import build_model
        >>> model, cpu = build_model("bmis", widths=(4, 8, 12)), torch.device("cpu")
        >>> peak, times = measure(model, inference, 1, (32, 32), device=cpu, seconds=0)
        >>> peak > 4 * 3 * 32 * 32, len(times) >= 3
        (True, True)
    """
    try:
        return _measure(model, make_step, batch, size, device=device, seconds=seconds)
    except ValueError as error:
        if is_one_value_per_channel(error):
            raise TooFewImagesError from error
        raise


def _measure(
    model: SegmentationModel,
    make_step: MakeStep,
    batch: int,
    size: tuple[int, int],
    *,
    device: torch.device,
    seconds: float,
) -> tuple[int, list[float]]:
    peak = 0
    if device.type == "cpu":  # checked first, because a system out of memory kills the process
        peak = peak_bytes(model, lambda empty: make_step(empty, batch, size))
        if peak > free_memory():
            raise NotEnoughMemoryError
    try:
        before = _allocated(device)
        network = copy.deepcopy(model).to(device).to(memory_format=torch.channels_last)
        if device.type == "cpu":  # as in training
            use_matmul_weight_gradient(network)
        step = make_step(network, batch, size)
        if device.type == "cuda":
            peak = _cuda_peak(step, device) - before
        return peak, time_calls(step, seconds=seconds, synchronise=synchroniser(device))
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise NotEnoughMemoryError from error
        raise


def device_name(device: torch.device) -> str:
    """The name of the GPU, or of this machine's processor.

    Example:
        >>> isinstance(device_name(torch.device("cpu")), str)
        True
    """
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return processor_name()


def synchroniser(device: torch.device) -> Step:
    """A function that waits until the device has done all work given to it.

    Example:
        >>> synchroniser(torch.device("cpu"))()
    """
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None  # a call on the CPU returns when its work is done


def _images(model: SegmentationModel, batch: int, size: tuple[int, int]) -> torch.Tensor:
    device = next(model.parameters()).device
    shape = (batch, model.in_channels, *size)
    return torch.empty(shape, device=device, memory_format=torch.channels_last).normal_()


def _allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def _cuda_peak(step: Step, device: torch.device) -> int:
    """The most bytes of live tensors in a step that is not the first."""
    step()
    torch.cuda.reset_peak_memory_stats(device)
    step()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device)
