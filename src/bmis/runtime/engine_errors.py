"""One line of ours for whatever error an engine raises."""

import numpy as np
from numpy.typing import NDArray

from bmis.errors import BmisError, BundleError, NoMemoryError, is_out_of_memory


def cannot_run(batch: NDArray[np.float32]) -> str:
    """What an engine failed to do with a batch (N, C, H, W).

    Example:
        >>> cannot_run(np.zeros((1, 3, 8, 16), np.float32))
        'cannot run the graph on 1 x 8x16 pixels'
    """
    count, _, height, width = batch.shape
    return f"cannot run the graph on {count} x {height}x{width} pixels"


def engine_error(engine: str, what: str, error: Exception) -> BmisError:
    """An error of an engine as one of bmis.

    Args:
        engine: Name of the engine.
        what: What it failed to do.
        error: What it raised.

    Example:
        >>> engine_error("openvino", "cannot load the graph", ValueError("no layer"))
        BundleError('openvino cannot load the graph (no layer); export the bundle again')
    """
    if isinstance(error, BmisError):
        return error
    if is_out_of_memory(error):
        return NoMemoryError(
            f"not enough memory: {engine} {what}; use smaller tiles, a smaller image or a larger "
            "limit"
        )
    reason = " ".join(str(error).split())
    return BundleError(f"{engine} {what} ({reason[:200]}); export the bundle again")
