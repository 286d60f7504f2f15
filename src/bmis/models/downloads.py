"""ImageNet weights that other libraries publish, in those libraries' own caches on this machine.

A library would fetch them by itself, and fail in many lines. Here they are fetched before the
library asks for them, and looked at: the names of the files say which content is meant.
"""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from urllib.parse import urlparse

import torch

from bmis.errors import BundleError, ConfigError, enough_memory_for
from bmis.system.hugging_face import load_hub

_log = logging.getLogger("bmis")
_IN_NAME = re.compile(r"-([0-9a-f]{8,})\.")  # first digits of SHA-256, as torch.hub reads them
_BLOB = re.compile(r"[0-9a-f]{64}")  # the whole of it, as huggingface_hub names what it keeps
WEIGHTS = ("imagenet", "none")


def wants_weights(weights: str) -> bool:
    """Whether weights are to be read: on the meta device, which holds none, they never are.

    Example:
        >>> with torch.device("meta"):
        ...     wants_weights("imagenet")
        False
    """
    return weights == "imagenet" and torch.get_default_device().type != "meta"


def fetch_url(url: str, *, hashed: bool = True) -> Path:
    """A file of torch's cache, fetched with a progress bar if it is not there.

    Args:
        url: Where its publisher keeps it.
        hashed: Whether its name ends in the first digits of its SHA-256; the content is compared.

    Raises:
        BundleError: The file holds something else than its name says.
        ConfigError: It cannot be fetched.

    Example:
        >>> from unittest.mock import patch
        >>> def offline(*_, **__):
        ...     raise OSError("no network")
        >>> with patch("torch.hub.download_url_to_file", offline):
        ...     fetch_url("https://example.org/net-00000000.pth")
        Traceback (most recent call last):
        bmis.errors.ConfigError: weights cannot be fetched (no network); fetch https://...
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    found = _IN_NAME.search(name) if hashed else None
    digits = found[1] if found else None
    if path.exists():
        _check_content(path, digits)
        return path
    _log.info("fetching %s", url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digits, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:  # the latter where the content is another one
        raise ConfigError(
            f"weights cannot be fetched ({_line(error)}); fetch {url} on a machine with a network "
            f"and put it at {path}, or use weights=none"
        ) from error
    return path


def fetch_repository(repository: str, revision: str | None, *files: str) -> Path:
    """Files of a repository on Hugging Face, fetched with progress bars if they are not there.

    Args:
        repository: Its owner and name.
        revision: A commit; None for the newest.
        files: Names of the files.

    Returns:
        The last of them.

    Raises:
        BundleError: A file holds something else than its name in the cache says.
        ConfigError: It cannot be fetched.
        MissingExtraError: ``huggingface_hub``, which the libraries use, is not installed.

    Example:
        >>> from unittest.mock import patch
        >>> def offline(*_, **__):
        ...     raise OSError("no network")
        >>> with patch("huggingface_hub.hf_hub_download", offline):
        ...     fetch_repository("owner/net", None, "model.safetensors")
        Traceback (most recent call last):
        bmis.errors.ConfigError: weights cannot be fetched (no network); on a machine with a ...
    """
    hub = load_hub()
    try:
        paths = [Path(hub.hf_hub_download(repository, file, revision=revision)) for file in files]
    except Exception as error:  # of the network, the server or the library, in a dozen types
        cache = Path(hub.constants.HF_HUB_CACHE)
        words = [
            "hf",
            "download",
            repository,
            *files,
            *(["--revision", revision] if revision else []),
        ]
        raise ConfigError(
            f"weights cannot be fetched ({_line(error)}); on a machine with a network run "
            f"`{' '.join(words)}` and copy the folder models--{repository.replace('/', '--')} of "
            f"its cache into {cache}, or use weights=none"
        ) from error
    for path in paths:
        blob = path.resolve().name
        _check_content(path, blob if _BLOB.fullmatch(blob) else None)
    return paths[-1]


@contextmanager
def reading_weights(path: Path) -> Iterator[None]:
    """Say in one line that a file of weights is damaged, or not of the network that asks for it.

    Raises:
        BundleError: The block could not use the file.
        NoMemoryError: Memory ran out.

    Example:
        >>> with reading_weights(Path("net.pth")):
        ...     raise RuntimeError("size mismatch")
        Traceback (most recent call last):
        bmis.errors.BundleError: net.pth: not the weights of this network (size mismatch); ...
    """
    try:
        with enough_memory_for(path):
            yield
    except (BundleError, ConfigError):
        raise
    except Exception as error:  # torch and safetensors raise a dozen types
        raise BundleError(
            f"{path}: not the weights of this network ({_line(error)}); delete it, so that it is "
            "fetched again, or use weights=none"
        ) from error


def _check_content(path: Path, digits: str | None) -> None:
    """Compare a file with the first digits of the SHA-256 that it should have."""
    if digits is None:
        return
    with path.open("rb") as stream:
        found = file_digest(stream, "sha256").hexdigest()
    if not found.startswith(digits):
        raise BundleError(
            f"{path}: damaged, or other weights (SHA-256 {found[: len(digits)][:16]}, not "
            f"{digits[:16]}); delete it, so that it is fetched again, or use weights=none"
        )


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
