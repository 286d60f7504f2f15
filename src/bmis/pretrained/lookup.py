"""The trained networks that come with the package, by their names: ``dermoscopy``, ``nuclei``, ...

Each is a bundle to use and a file of weights to start a training from. Whatever takes the path of
a model takes such a name too.
"""

import logging
from pathlib import Path

from bmis.config import MODEL_FILE
from bmis.errors import BundleError, did_you_mean
from bmis.pretrained.hub import BUNDLE, fetch, is_address
from bmis.system.cache import recall, remember

FOLDER = Path(__file__).parent / "weights"
_SHOWN = "licences.json"
_log = logging.getLogger("bmis")


def shipped_names() -> tuple[str, ...]:
    """Names of the networks that come with the package, in alphabetical order.

    Example:
        >>> shipped_names()[:2]
        ('breast-ultrasound', 'chest-xray')
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.bmis")))


def find_model_file(model: Path | str) -> Path:
    """The path that is meant: that of a network in the package or on the Hub, or the one given.

    A bare name means the network of that name, unless the working directory has a run folder or a
    file of that name. A folder of results does not count. ``hf://owner/name`` is fetched.

    Raises:
        BundleError: See ``hub.fetch``.

    Example:
        >>> find_model_file("nuclei").name
        'nuclei.bmis'
        >>> find_model_file("run").name
        'run'
    """
    if is_address(model):
        return fetch(model, BUNDLE)
    path = Path(model)
    bundle = FOLDER / f"{path.name}.bmis"
    is_there = path.is_file() or (path / MODEL_FILE).exists()
    return bundle if str(path) == path.name and bundle.is_file() and not is_there else path


def is_shipped(path: Path) -> bool:
    """Whether a bundle came with the package.

    Example:
        >>> is_shipped(find_model_file("nuclei")), is_shipped(Path("nuclei.bmis"))
        (True, False)
    """
    return path.parent == FOLDER


def find_weights(name: str) -> Path:
    """The ``.safetensors`` file to start a training from.

    Raises:
        BundleError: No network of that name comes with the package.

    Example:
        >>> find_weights("nuclei").name
        'nuclei.safetensors'
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise BundleError(
            f"{name}: no network of that name comes with bmis{did_you_mean(name, shipped_names())}"
        )
    return path


def log_licence(name: str, licence: str) -> None:
    """Log a network's licence the first time that this user uses the network.

    Example:
        >>> log_licence("nuclei", "CC0 1.0")  # a warning on stderr, the first time
    """
    shown = recall(_SHOWN)
    if shown.get(name) == licence:
        return
    _log.warning(
        "%s: not a medical device; licence of the images it was trained on: %s "
        "(this is shown once)",
        name,
        licence,
    )
    remember(_SHOWN, {**shown, name: licence})
