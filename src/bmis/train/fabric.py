"""Starts Lightning Fabric with the device, precision and processes that a training asks for."""

import ctypes
import logging
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger

from bmis.config import TrainConfig
from bmis.errors import ConfigError, require
from bmis.system.processor import computes_bf16


def launch(config: TrainConfig, run: Path) -> Fabric:
    """Fabric, with all its processes running.

    With several devices Fabric runs the command or script again, once per further process, so
    that whatever stands before this call is done by all of them.

    Args:
        config: Device, precision, processes and loggers.
        run: Folder for the loggers' files.

    Raises:
        ConfigError: There is no such device here, or not as many.
        MissingExtraError: TensorBoard is asked for and not installed.
    """
    cuda = torch.cuda.is_available() if config.device == "auto" else config.device == "cuda"
    if cuda and config.devices > torch.cuda.device_count():
        raise ConfigError(
            f"--device cuda --devices {config.devices}: {torch.cuda.device_count()} CUDA devices "
            "are found; ask for fewer, or use --device cpu"
        )
    loggers: list[Any] = []
    if config.tensorboard:
        require("tensorboard", extra="tensorboard")
        loggers.append(TensorBoardLogger(root_dir=run, name="tensorboard", version=""))
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    if cuda:  # convolutions tuned for the one shape, unless the same bits are wanted
        torch.backends.cudnn.benchmark = not config.deterministic
    # Lightning sets its loggers up on import; what it says of precision stands in config.yaml.
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    many = config.devices * config.nodes > 1
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if many else "auto",
        precision="bf16-mixed" if _bf16(config.precision, cuda=cuda) else "32-true",
        loggers=loggers,
    )
    fabric.launch()
    keep_freed_memory()
    return fabric


def keep_freed_memory() -> None:
    """Have glibc keep what is freed: each step asks for the same blocks again.

    Given back to the system and taken anew they cost a page fault every 4 KiB. Elsewhere than
    with glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    trim_threshold, mmap_threshold = -1, -3  # their numbers in malloc.h
    mallopt(mmap_threshold, 32 * 2**20)  # the highest that glibc takes
    mallopt(trim_threshold, 2**31 - 1)


def _bf16(precision: str, *, cuda: bool) -> bool:
    """Whether to compute in bfloat16: as asked, or where the processor does it in hardware."""
    if precision != "auto":
        return precision == "bf16"
    if cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return computes_bf16("torch")
