"""What runs a network: float32 arrays in, logits out. torch is loaded only when it is the runtime.

A bundle is run on the processor, by one of ``engines``; what a training left behind by torch.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bmis.bundle import SUFFIX
from bmis.config import ModelInfo, RuntimeOptions
from bmis.errors import BundleError, ConfigError, did_you_mean, require
from bmis.pretrained.lookup import find_model_file, is_shipped, log_licence, shipped_names
from bmis.runtime.bundle import load_bundle
from bmis.runtime.engines import installed_engines, require_engine
from bmis.system.processor import usable_cores


class Runtime(Protocol):
    """A network that is ready to run, from any number of threads at once.

    Attributes:
        stride: Height and width of every batch are multiples of it.
        size: The only height and width that it takes; None where any multiples will do.
        batch: Number of images of the network's size that are best given at once.

    Example:
        >>> runtime, _ = load_runtime("nuclei")
        >>> runtime(np.zeros((1, 3, *runtime.size), np.float32)).shape
        (1, 2, 224, 224)
    """

    stride: int
    size: tuple[int, int] | None
    batch: int

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalised images (N, C, H, W) float32 in, logits (N, K, H, W) float32 out.

        Raises:
            DataError: The batch does not fit the network.
            BundleError: The network cannot be run.
            NoMemoryError: There is not enough memory for it.
        """


def load_runtime(
    path: Path | str, options: RuntimeOptions | None = None
) -> tuple[Runtime, ModelInfo]:
    """Load a trained network to run it.

    Args:
        path: A bundle, a run folder with ``model.safetensors``, a ``.safetensors`` file, or the
            name of a network that comes with the package.
        options: How it is run; None for the defaults.

    Returns:
        The network, and what its file says about its input and its classes.

    Raises:
        BundleError: No such file, or see ``bundle.read_bundle`` and ``checkpoint.read_checkpoint``.
        ConfigError: No such device; an option that this network or this machine does not have.
        MissingExtraError: torch, or the engine that was asked for, is not installed.

    Example:
        >>> runtime, info = load_runtime("nuclei", RuntimeOptions(engine="onnxruntime", threads=1))
        >>> info.classes
        ('background', 'nucleus')
    """
    path, options = find_model_file(path), options or RuntimeOptions()
    if not path.exists():  # before torch is loaded, so that a typing error is answered at once
        raise BundleError(
            f"{path}: no such file or folder; name a bundle ({SUFFIX}), a run folder of `bmis "
            f"train` or its model.safetensors, or a network that comes with bmis"
            f"{did_you_mean(path.name, shipped_names())}"
        )
    if path.suffix.lower() == SUFFIX:
        runtime, bundle = load_bundle(path, options)
        info = bundle.manifest.info
        if is_shipped(path):
            log_licence(path.stem, info.provenance["licence"])
        return runtime, info
    return _load_run(path, options)


def load_packages(path: Path | str, options: RuntimeOptions) -> None:
    """Load what ``load_runtime`` will need, before memory is limited.

    With too little memory the start of these packages can bring the process down; later they
    answer with an error.

    Raises:
        MissingExtraError: torch, or the engine that was asked for, is not installed.

    Example:
        >>> load_packages("nuclei", RuntimeOptions(engine="onnxruntime"))
    """
    if find_model_file(path).suffix.lower() != SUFFIX:
        require("torch", extra="train")
        return
    for name in installed_engines() if options.engine == "auto" else (options.engine,):
        require_engine(name)


def threads_of(path: Path | str, options: RuntimeOptions | None = None) -> int:
    """How many threads share one call of a network on the processor, once it is loaded.

    Args:
        path: What the network was loaded from.
        options: What it was loaded with.

    Example:
        >>> threads_of("nuclei", RuntimeOptions(threads=2))
        2
    """
    asked = options.threads if options else None
    if asked is not None or find_model_file(path).suffix.lower() == SUFFIX:
        return asked or usable_cores()
    return int(require("torch", extra="train").get_num_threads())


def _load_run(path: Path, options: RuntimeOptions) -> tuple[Runtime, ModelInfo]:
    if options.engine != "auto" or options.precision not in ("auto", "fp32"):
        raise ConfigError(
            f"{path}: engines and precisions are for bundles, torch runs this one in fp32; leave "
            "them out, or make a bundle with `bmis export`"
        )
    torch = require("torch", extra="train")
    from bmis.models.checkpoint import read_checkpoint
    from bmis.runtime.torch_network import TorchRuntime

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    model, info = read_checkpoint(path, options.device)
    return TorchRuntime(model), info
