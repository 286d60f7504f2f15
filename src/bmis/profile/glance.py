"""The time of a network on this machine, at a glance: a few calls in this process."""

from pathlib import Path

import numpy as np

from bmis.config import RuntimeOptions
from bmis.pretrained.lookup import find_model_file
from bmis.runtime.autotune import seconds_of
from bmis.runtime.bundle import load_bundle


def milliseconds(model: Path | str) -> float:
    """How long the network takes for one image of its own size, by the engine that it runs on.

    The fastest of at most five calls. ``profile_bundle`` measures with more care.

    Args:
        model: A bundle, or the name of a network that comes with the package.

    Raises:
        BundleError: See ``read_bundle``.

    Example:
        >>> milliseconds("nuclei") > 0
        True
    """
    runtime, bundle = load_bundle(find_model_file(model), RuntimeOptions())
    spec = bundle.manifest.info.input
    shape = (1, spec.channels, *spec.size)
    return 1e3 * seconds_of(runtime, np.zeros(shape, np.float32))
