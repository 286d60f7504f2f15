"""Trained weights that a training is given: a run folder, a file, or the name of a network."""

from pathlib import Path

from bmis.bundle import SUFFIX
from bmis.errors import ConfigError
from bmis.models.checkpoint import find_model
from bmis.pretrained.lookup import find_model_file, find_weights, is_shipped


def canonical_source(source: str) -> str:
    """A source as ``config.yaml`` records it.

    Args:
        source: A path, or the name of a network that comes with the package.

    Returns:
        The name, or the absolute path.

    Example:
        >>> canonical_source("dermoscopy")
        'dermoscopy'
        >>> Path(canonical_source("run")).is_absolute()
        True
    """
    return source if is_shipped(find_model_file(source)) else str(Path(source).resolve())


def find_source(source: str) -> Path:
    """The ``.safetensors`` file that a source stands for.

    Args:
        source: A run folder, a ``.safetensors`` file of bmis, or the name of a network that comes
            with the package.

    Raises:
        BundleError: There is no such file.
        ConfigError: The source is a bundle.

    Example:
        >>> find_source("run").name
        'model.safetensors'
    """
    if is_shipped(find_model_file(source)):
        return find_weights(source)
    if Path(source).suffix.lower() == SUFFIX:
        raise ConfigError(
            f"{source}: a bundle holds no weights that can be trained on; name the run folder that "
            "it was exported from"
        )
    return find_model(Path(source))
