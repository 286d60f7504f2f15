"""Which machine a result is from: processor, memory, GPU, versions; no name of a host or user."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bmis.system.processor import processor_flags, processor_name

try:
    import torch
except ModuleNotFoundError:  # on a device
    torch = None  # type: ignore[assignment]

_PACKAGES = ("bmis", "torch", "lightning", "onnxruntime", "openvino", "numpy", "pillow")
_FLAGS = (  # that decide the speed, on x86 and on ARM
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16"),
)
_VECTORS = ("avx512f", "avx2", "asimd")  # widest first
_LIMIT = "ONEDNN_MAX_CPU_ISA"  # keeps torch's convolutions from newer instructions


def describe() -> dict[str, Any]:
    """Plain values for a result's JSON file."""
    gpu = _gpu()
    return {
        "processor": processor_name(),
        "processor_flags": [flag for flag in _FLAGS if flag in processor_flags()],
        "onednn_limit": os.environ.get(_LIMIT),
        "cores": _cores(),
        "threads": torch.get_num_threads() if torch else None,
        "memory_gb": _memory_gb(),
        "gpu": gpu,
        "cuda": torch.version.cuda if gpu else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def short_name() -> str:
    """For a file's name: the GPU's, or the processor's, its vectors and number of cores.

    In virtual machines processors of several generations go by one name; vectors tell them apart,
    or the limit that the environment sets.
    """
    vectors = next((flag for flag in _VECTORS if flag in processor_flags()), "")
    name = _gpu() or f"{processor_name()} {os.environ.get(_LIMIT, vectors)} {_cores()} cores"
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


def _gpu() -> str | None:
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_available() else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
