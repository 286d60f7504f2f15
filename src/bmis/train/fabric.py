"""Lightning Fabric with the device, precision and processes that a training asks for."""

import ctypes
import logging
import os
from pathlib import Path

import torch
from lightning.fabric import Fabric

from bmis.config import TrainConfig
from bmis.errors import ConfigError
from bmis.models.threads import keep_to_container
from bmis.system.processor import computes_bf16
from bmis.train.loggers import make_loggers


def launch_fabric(config: TrainConfig, run: Path) -> Fabric:
    """Start Fabric with all its processes.

    With several devices Fabric runs the command or script again, once per further process, so
    that whatever stands before this call is done by all of them.

    Args:
        config: Device, precision, processes, determinism and loggers.
        run: Folder for the loggers' files.

    Raises:
        ConfigError: The device is not there, or there are not as many of it.
        MissingExtraError: The package of the logger is not installed.

    Example:
        >>> fabric = launch_fabric(TrainConfig("polyps", device="cpu"), Path("run"))
        >>> fabric.device, fabric.world_size
        (device(type='cpu'), 1)
    """
    keep_to_container()
    cuda = wants_cuda(config)
    loggers = make_loggers(config, run)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    if cuda:  # convolutions tuned for the one shape, unless the same bits are wanted
        torch.backends.cudnn.benchmark = not config.deterministic
    # Lightning sets its loggers up on import; the precision that it logs is in config.yaml.
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if config.devices * config.nodes > 1 else "auto",
        precision="bf16-mixed" if _wants_bf16(config.precision, cuda=cuda) else "32-true",
        loggers=loggers,
    )
    fabric.launch()
    keep_freed_memory()
    return fabric


def wants_cuda(config: TrainConfig) -> bool:
    """Whether a training computes on GPUs.

    Raises:
        ConfigError: There are not as many as it asks for.

    Example:
        >>> wants_cuda(TrainConfig("polyps", device="cpu"))
        False
    """
    cuda = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    if cuda and config.devices > torch.cuda.device_count():
        raise ConfigError(
            f"--device cuda --devices {config.devices}: {torch.cuda.device_count()} CUDA devices "
            "are found; ask for fewer, or use --device cpu"
        )
    return cuda


def keep_freed_memory() -> None:
    """Make glibc keep freed memory, because each training step asks for the same blocks again.

    Blocks that are given back to the system and taken anew cost a page fault every 4 KiB. Without
    glibc nothing happens.

    Example:
        >>> keep_freed_memory()  # once per process, before the first step
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    trim_threshold, mmap_threshold = -1, -3  # from malloc.h
    mallopt(mmap_threshold, 32 * 2**20)  # the highest that glibc takes
    mallopt(trim_threshold, 2**31 - 1)


def _wants_bf16(precision: str, *, cuda: bool) -> bool:
    """Whether to compute in bfloat16: as asked, or "auto" where the hardware supports it."""
    if precision != "auto":
        return precision == "bf16"
    if cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return computes_bf16("torch")
