"""Which machine a result is from: processor, memory, GPU, versions; no name of a host or user."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from bmis.timing import device_name

_PACKAGES = ("bmis", "torch", "lightning", "numpy", "pillow")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")  # that decide the speed


def describe() -> dict[str, Any]:
    """Plain values for a result's JSON file."""
    processor = device_name(torch.device("cpu"))
    gpu = torch.cuda.is_available()
    return {
        "processor": processor,
        "processor_flags": [flag for flag in _FLAGS if flag in _proc("cpuinfo").split()],
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": _memory_gb(),
        "gpu": device_name(torch.device("cuda")) if gpu else None,
        "cuda": torch.version.cuda if gpu else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def short_name() -> str:
    """For a file's name: the GPU's, or the processor's with its number of cores."""
    if torch.cuda.is_available():
        name = device_name(torch.device("cuda"))
    else:
        name = f"{device_name(torch.device('cpu'))} {_cores()} cores"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _cores() -> int:
    """That this process may use, which in a container can be fewer than there are."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, OSError, ValueError):
        return None


def _proc(name: str) -> str:
    try:
        return Path("/proc", name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
