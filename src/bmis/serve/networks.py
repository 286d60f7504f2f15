"""The networks of a service: each is loaded once, and shared by all requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bmis.bundle import SUFFIX
from bmis.config import ModelInfo, RuntimeOptions
from bmis.errors import BundleError, ConfigError
from bmis.predict.predictor import Predictor
from bmis.pretrained.lookup import find_model_file, shipped_names
from bmis.runtime.load import Runtime, load_runtime
from bmis.system.progress import track


@dataclass(frozen=True)
class Network:
    """A network that is ready to answer requests.

    Attributes:
        name: What it is called in addresses.
        runtime: Runs it.
        info: What its file says of it.

    Example:
        >>> (network,) = load_networks(["nuclei"])
        >>> network.name, network.predictor(probabilities=True).keep_probabilities
        ('nuclei', True)
    """

    name: str
    runtime: Runtime
    info: ModelInfo

    def predictor(self, *, probabilities: bool = False) -> Predictor:
        """A predictor whose masks carry probabilities or not; both share the network."""
        return self._with_probabilities if probabilities else self._plain

    @cached_property
    def _plain(self) -> Predictor:
        return Predictor(self.runtime, self.info)

    @cached_property
    def _with_probabilities(self) -> Predictor:
        return Predictor(self.runtime, self.info, keep_probabilities=True)


def load_networks(
    models: Sequence[str] = (), options: RuntimeOptions | None = None
) -> list[Network]:
    """Load the networks of a service.

    Args:
        models: Bundles and names of networks that come with the package; all of these if empty.
        options: How they are run; the defaults where left out.

    Raises:
        ConfigError: Two have one name; or see ``load_runtime``.
        BundleError: One is no bundle; or see ``load_runtime``.
        MissingExtraError: See ``load_runtime``.

    Example:
        >>> [network.name for network in load_networks(["nuclei", "dermoscopy"])]
        ['nuclei', 'dermoscopy']
    """
    found = find_bundles(models)
    return [
        Network(name, *load_runtime(path, options))
        for name, path in track(found.items(), "loading networks")
    ]


def find_bundles(models: Sequence[str] = ()) -> dict[str, Path]:
    """The bundles that are meant, by the names that they get in addresses.

    Args:
        models: See ``load_networks``.

    Raises:
        ConfigError: Two have one name.
        BundleError: One is there and no bundle.

    Example:
        >>> {name: path.name for name, path in find_bundles(["nuclei"]).items()}
        {'nuclei': 'nuclei.bmis'}
    """
    found: dict[str, Path] = {}
    for model in models or shipped_names():
        path = find_model_file(model)
        if path.exists() and path.suffix.lower() != SUFFIX:
            raise BundleError(
                f"{model}: a service runs bundles ({SUFFIX}) alone; make one with `bmis export`"
            )
        name = _name(path, model)
        if name in found:
            raise ConfigError(f"two networks are called {name}; rename one of the bundles")
        found[name] = path
    return found


def _name(path: Path, model: str) -> str:
    """What a network is called in addresses: that of its file, or of its place on the Hub."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith("hf://") else path.stem
