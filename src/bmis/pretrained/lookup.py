"""The trained networks that come with the package, by their names: ``dermoscopy``, ``nuclei``, ...

Each is a bundle to use. The weights to start a training from are a package of their own,
``bmis-weights``, as devices never train. Whatever takes the path of a model takes such a name too.
"""

import logging
from importlib.util import find_spec
from pathlib import Path

from bmis.config import MODEL_FILE
from bmis.errors import BundleError, MissingExtraError, did_you_mean
from bmis.pretrained.hub import BUNDLE, fetch, is_address
from bmis.system.cache import recall, remember

FOLDER = Path(__file__).parent / "weights"
_SHOWN = "licences.json"
_WEIGHTS = "bmis_weights"
_log = logging.getLogger("bmis")


def shipped_names() -> tuple[str, ...]:
    """Names of the networks that come with the package, in alphabetical order.

    Example:
        >>> shipped_names()[:2]
        ('breast-ultrasound', 'breast-ultrasound-bmis')
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
    """Whether a bundle came with the package, or weights with theirs.

    Example:
        >>> is_shipped(find_model_file("nuclei")), is_shipped(Path("nuclei.bmis"))
        (True, False)
    """
    return path.parent in (FOLDER, _weights_folder())


def find_weights(name: str) -> Path:
    """The ``.safetensors`` file to start a training from.

    Raises:
        BundleError: No network of that name comes with the package.
        MissingExtraError: The package with the weights is not installed.

    Example:
        >>> find_weights("nuclei").name
        'nuclei.safetensors'
    """
    if name not in shipped_names():
        raise BundleError(
            f"{name}: no network of that name comes with bmis{did_you_mean(name, shipped_names())}"
        )
    folder = _weights_folder()
    if folder is None:
        raise MissingExtraError(
            f"{name}: its weights to train from are the package bmis-weights; install it in a "
            "checkout of bmis with: pip install ./weights"
        )
    return folder / f"{name}.safetensors"


def _weights_folder() -> Path | None:
    """Where the weights are, if their package is installed."""
    spec = find_spec(_WEIGHTS)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


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
