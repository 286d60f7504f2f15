"""Trained weights by what a user calls them: a run folder, a file, or the name of a network."""

from pathlib import Path

from bmis.bundle import SUFFIX
from bmis.config import ModelInfo
from bmis.errors import BundleError, ConfigError, did_you_mean
from bmis.models import SegmentationModel
from bmis.models.checkpoint import find_model, read_checkpoint
from bmis.pretrained.hub import WEIGHTS, fetch, is_address
from bmis.pretrained.lookup import (
    find_model_file,
    find_weights,
    is_shipped,
    log_licence,
    shipped_names,
)


def canonical_source(source: str) -> str:
    """A source as ``config.yaml`` records it.

    Args:
        source: A path, the name of a network that comes with the package, or ``hf://owner/name``.

    Returns:
        The name, or the absolute path.

    Example:
        >>> canonical_source("dermoscopy")
        'dermoscopy'
        >>> Path(canonical_source("run")).is_absolute()
        True
    """
    if is_address(source):
        return source
    path = find_model_file(source)
    return path.stem if is_shipped(path) else str(path.resolve())


def load_model(source: Path | str, device: str = "cpu") -> tuple[SegmentationModel, ModelInfo]:
    """Build a trained network in torch, with its weights and ready to predict.

    To predict without torch, or from a bundle, see ``bmis.load``.

    Args:
        source: A run folder, a ``.safetensors`` file of bmis, the name of a network that comes
            with the package, or ``hf://owner/name``.
        device: Name of the device, such as "cpu" or "cuda"; "auto" is the GPU where there is one.

    Returns:
        The network in eval mode on ``device``, and the description in the file.

    Raises:
        BundleError: There is no such file, or it is damaged, of another program or of a newer
            version, its weights do not fit its own network, or that network comes from a plugin
            that was not loaded.
        ConfigError: There is no such device, or the source is a bundle.
        NoMemoryError: Memory ran out.

    Example:
        >>> model, info = load_model("run")
        >>> info.model.name, info.input.size
        ('bmis', (64, 64))
        >>> load_model("dermoscopy")[1].classes
        ('background', 'lesion')
    """
    path = find_source(source)
    model, info = read_checkpoint(path, device)
    if is_shipped(path):
        log_licence(path.stem, info.provenance["licence"])
    return model, info


def find_source(source: Path | str) -> Path:
    """The ``.safetensors`` file that a source stands for.

    Args:
        source: A run folder, a ``.safetensors`` file of bmis, the name of a network that comes
            with the package, or ``hf://owner/name``.

    Raises:
        BundleError: There is no such file.
        ConfigError: The source is a bundle.

    Example:
        >>> find_source("run").name
        'model.safetensors'
    """
    if is_address(source):
        return fetch(source, WEIGHTS)
    if is_shipped(bundle := find_model_file(source)):
        return find_weights(bundle.stem)
    path = Path(source)
    if path.suffix.lower() == SUFFIX:
        raise ConfigError(
            f"{source}: a bundle holds no weights to train or export; name the run folder that it "
            "was exported from"
        )
    if not path.exists():
        raise BundleError(
            f"{path}: no such file or folder; name a run folder of `bmis train`, a .safetensors "
            f"file, or a network that comes with bmis{did_you_mean(path.name, shipped_names())}"
        )
    return find_model(path)
