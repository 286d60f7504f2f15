"""Several passes in place of one: other networks, or the same one on flipped images.

The mean is that of the class probabilities, given as logits, so that what follows is the same for
one pass and for many.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bmis.config import FLIPS, InputSpec, ModelInfo, PostProcessing, RuntimeOptions
from bmis.errors import ConfigError
from bmis.runtime.load import Runtime, load_runtime
from bmis.runtime.probabilities import mean_logits

_log = logging.getLogger("bmis")


class Flipped:
    """A network that sees an image and its flips, and answers with the mean.

    See ``runtime.load.Runtime`` for what it promises.

    Args:
        runtime: The network.
        flips: One of ``config.FLIPS``.

    Example:
        >>> runtime, _ = load_runtime("nuclei", RuntimeOptions(threads=1))
        >>> Flipped(runtime, "both")(np.zeros((1, 3, 224, 224), np.float32)).shape
        (1, 2, 224, 224)
    """

    def __init__(self, runtime: Runtime, flips: str) -> None:
        self._runtime, self._axes = runtime, FLIPS[flips]
        self.stride, self.size, self.batch = runtime.stride, runtime.size, runtime.batch

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return mean_logits(
            [
                np.flip(self._runtime(np.ascontiguousarray(np.flip(batch, axes))), axes)
                for axes in self._axes
            ]
        )


class Ensemble:
    """Several networks that answer with their mean.

    See ``runtime.load.Runtime`` for what it promises.

    Args:
        runtimes: The networks.
        specs: Their inputs, which differ in mean and standard deviation alone. Batches are
            normalised as the first network wants them.

    Attributes:
        runtimes: The networks.

    Example:
        >>> runtime, info = load_runtime("nuclei", RuntimeOptions(threads=1))
        >>> both = Ensemble([runtime, runtime], [info.input, info.input])
        >>> both(np.zeros((1, 3, 224, 224), np.float32)).shape
        (1, 2, 224, 224)
    """

    def __init__(self, runtimes: Sequence[Runtime], specs: Sequence[InputSpec]) -> None:
        self.runtimes = tuple(runtimes)
        self._scales = [_rescaling(specs[0], spec) for spec in specs]
        self.stride = math.lcm(*(runtime.stride for runtime in runtimes))
        self.size = next((runtime.size for runtime in runtimes if runtime.size), None)
        self.batch = min(runtime.batch for runtime in runtimes)

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return mean_logits(
            [
                runtime(batch if scale is None else batch * scale[0] + scale[1])
                for runtime, scale in zip(self.runtimes, self._scales, strict=True)
            ]
        )


def load_ensemble(
    paths: Sequence[Path | str], options: RuntimeOptions | None = None
) -> tuple[Runtime, ModelInfo]:
    """Load one or more trained networks, such as those of several folds, as one.

    Args:
        paths: What ``load_runtime`` takes, one or more.
        options: How they are run; None for the defaults.

    Returns:
        The networks as one, and what the first file says. Where there are several, the provenance
        holds that of the others (``averaged_with``). The calibration of the expected Dice is left
        out, because it is that of one network, and so is post-processing, with a warning, unless
        all have the same.

    Raises:
        ConfigError: There is no path, or the networks differ in classes, channels or size.
        BmisError: See ``load_runtime``.

    Example:
        >>> runtime, info = load_ensemble(["run", "run"])
        >>> len(runtime.runtimes), info.classes
        (2, ('background', 'polyp'))
    """
    if not paths:
        raise ConfigError("no network to run; name a bundle or a run folder")
    loaded = [load_runtime(path, options) for path in paths]
    runtime, info = loaded[0]
    if len(loaded) == 1:
        return runtime, info
    for path, (_, other) in zip(paths, loaded, strict=True):
        _check_agreement(paths[0], info, path, other)
    runtimes = [runtime for runtime, _ in loaded]
    specs = [info.input for _, info in loaded]
    own = [info.postprocessing for _, info in loaded]
    if len(set(own)) > 1:
        _log.warning("the networks differ in their post-processing, so none is done unless asked")
        info = replace(info, postprocessing=PostProcessing())
    origin = {**info.provenance, "averaged_with": [other.provenance for _, other in loaded[1:]]}
    return Ensemble(runtimes, specs), replace(info, confidence=None, provenance=origin)


def _check_agreement(
    first: Path | str, ours: ModelInfo, path: Path | str, theirs: ModelInfo
) -> None:
    for what, one, other in (
        ("classes", ours.classes, theirs.classes),
        ("channels", ours.input.channels, theirs.input.channels),
        ("size", ours.input.size, theirs.input.size),
        ("resize rule", ours.input.resize, theirs.input.resize),
    ):
        if one != other:
            raise ConfigError(
                f"{path}: differs from {first} in {what}, {other} in place of {one}; only networks "
                "of the same classes and input can be averaged"
            )


def _rescaling(
    ours: InputSpec, theirs: InputSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Factor and summand (C, 1, 1) from our normalisation to theirs; None where they are equal."""
    if (ours.mean, ours.std) == (theirs.mean, theirs.std):
        return None
    mean, std, other_mean, other_std = (
        np.array(values, np.float64)[:, None, None]
        for values in (ours.mean, ours.std, theirs.mean, theirs.std)
    )
    summand = (mean - other_mean) / other_std
    return (std / other_std).astype(np.float32), summand.astype(np.float32)
