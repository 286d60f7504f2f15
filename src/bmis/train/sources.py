"""Weights that a training is told to use: a run folder, a file, or a name that bmis comes with."""

from pathlib import Path

from bmis.bundle import SUFFIX
from bmis.errors import ConfigError
from bmis.models.checkpoint import find_model
from bmis.pretrained.lookup import find_model_file, find_weights, is_shipped


def canonical_source(source: str) -> str:
    """A source as ``config.yaml`` holds it.

    The name of a network that comes with the package, or a path that holds from any working
    directory.
    """
    return source if is_shipped(find_model_file(source)) else str(Path(source).resolve())


def find_source(source: str) -> Path:
    """The ``.safetensors`` file that is meant by a source.

    Args:
        source: A run folder, a ``.safetensors`` file of bmis, or the name of a network that comes
            with the package.

    Raises:
        BundleError: There is no such file.
        ConfigError: It is a bundle.
    """
    if is_shipped(find_model_file(source)):
        return find_weights(source)
    if Path(source).suffix.lower() == SUFFIX:
        raise ConfigError(
            f"{source}: a bundle holds no weights that can be trained on; name the run folder that "
            "it was exported from"
        )
    return find_model(Path(source))
