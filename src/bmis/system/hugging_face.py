"""The library of the Hugging Face Hub, without the lines that it writes by itself."""

from typing import Any

from bmis.errors import require


def load_hub() -> Any:
    """The library, told not to report each of its attempts.

    Raises:
        MissingExtraError: huggingface_hub is not installed.

    Example:
        >>> callable(load_hub().hf_hub_download)
        True
    """
    hub = require("huggingface_hub", extra="hub")
    require("huggingface_hub.utils", extra="hub").logging.set_verbosity_error()
    return hub
