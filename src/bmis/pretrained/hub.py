"""Networks on the Hugging Face Hub: ``hf://owner/name``, or ``hf://owner/name@revision``.

``bmis share`` writes what such a place holds. A file from there is untrusted like any other:
bundles are checked as they are read, weights are safetensors, and nothing of it is ever run.
"""

import re
from pathlib import Path

from bmis.errors import BundleError, ConfigError
from bmis.system.hugging_face import load_hub

BUNDLE, WEIGHTS = "model.bmis", "model.safetensors"  # in every such place
_ADDRESS = re.compile(r"hf:/{1,2}(?P<place>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")
_CACHED = re.compile(r"models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)")


def is_address(text: Path | str) -> bool:
    """Whether a name is one of a place on the Hub.

    Example:
        >>> is_address("hf://clinic/polyps"), is_address("polyps")
        (True, False)
    """
    return str(text).startswith("hf:/")


def fetch(address: Path | str, file: str) -> Path:
    """Download a file, unless the Hub's cache on this machine has it.

    Args:
        address: ``hf://owner/name`` or ``hf://owner/name@revision``.
        file: ``BUNDLE`` or ``WEIGHTS``.

    Returns:
        The file in the cache.

    Raises:
        ConfigError: The address is none.
        BundleError: There is no such place or file, it needs a login, or there is no connection.
        MissingExtraError: huggingface_hub is not installed.

    Example:
        >>> fetch("hf://polyps", BUNDLE)
        Traceback (most recent call last):
        bmis.errors.ConfigError: hf://polyps: give hf://owner/name, or hf://owner/name@revision
    """
    found = _ADDRESS.fullmatch(str(address))
    if not found:
        raise ConfigError(f"{address}: give hf://owner/name, or hf://owner/name@revision")
    place, revision = found["place"], found["revision"]
    hub = load_hub()
    try:
        return Path(hub.hf_hub_download(place, file, revision=revision))
    except Exception as error:  # the library passes on errors of three layers below it
        raise BundleError(f"hf://{place}: {_reason(error, place, file)}") from error


def _reason(error: Exception, place: str, file: str) -> str:
    """What went wrong, in our words where the library's error has a name, and how to go on."""
    name = type(error).__name__
    if name == "GatedRepoError":
        return f"asks for a login; accept its terms on the Hub, then run `hf auth login` ({name})"
    if name == "RepositoryNotFoundError":
        return "there is no such place, or it is private; check the name, or run `hf auth login`"
    if name == "RevisionNotFoundError":
        return "there is no such revision; leave it out for the newest"
    if name in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
        return f"holds no {file}; is it a folder that `bmis share` wrote?"
    first = (str(error).strip() or name).splitlines()[0]
    return (
        f"{file} cannot be fetched ({first}); without a connection put the file of {place} "
        "anywhere and name its path"
    )


def place_of(path: Path) -> str | None:
    """The name of the place that a file in the Hub's cache is from; None for all other files.

    Example:
        >>> place_of(Path("hub/models--clinic--polyps/snapshots/0a1b/model.bmis"))
        'polyps'
        >>> place_of(Path("polyps/model.bmis")) is None
        True
    """
    found = (_CACHED.fullmatch(part) for part in path.parts)
    return next((one["name"] for one in found if one), None)
