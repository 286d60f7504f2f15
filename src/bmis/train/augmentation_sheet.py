"""One picture of training images as a recipe changes them, with the outlines of their masks."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bmis.config import InputSpec, TrainConfig
from bmis.data.drawing import contact_sheet, overlay
from bmis.data.folder import open_dataset
from bmis.data.images import write_image
from bmis.train.batches import augmented_batch, mix_seed
from bmis.train.cached_dataset import CachedDataset
from bmis.train.recipes import find_recipe
from bmis.train.settings import split_seed

_TILES, _COLUMNS, _TILE_SIZE = 24, 6, 224
_FRAME = 128  # grey


def write_augmentation_sheet(config: TrainConfig, path: Path | str) -> Path:
    """Draw 24 training images as the first steps of a training could see them.

    They are evenly chosen, and taken in batches of the recipe's size, because objects are pasted
    from one image of a batch into another. A data set with fewer images shows some again.

    Args:
        config: The settings of the training: data, recipe with its changes, size, fold and seed.
        path: Picture to write.

    Raises:
        ConfigError: A setting is wrong.
        DataError: The data set cannot be used, or the picture cannot be written.

    Example:
        >>> config = TrainConfig("polyps", size=(64, 64), changes={"augmentation.border": 1})
        >>> write_augmentation_sheet(config, "sheet.png").name
        'sheet.png'
    """
    recipe = find_recipe(config.recipe, config.changes, batch_size=config.batch_size)
    dataset = open_dataset(config.data, fold=config.fold, seed=split_seed(config))
    cases = dataset.split("train")
    shown = [cases[place] for place in _evenly(len(cases), min(_TILES, len(cases)))]
    spec = InputSpec(config.size, dataset.channels, resize=config.resize)
    path = Path(path)
    cached = CachedDataset(
        shown, dataset, spec, torch.device("cpu"), scratch=path.absolute().parent
    )
    generator = torch.Generator().manual_seed(mix_seed(config.seed, 0, 1))
    tiles: list[tuple[str, NDArray[np.uint8]]] = []
    for index in (torch.arange(_TILES) % len(shown)).split(recipe.batch_size):  # type: ignore[no-untyped-call]
        pixels, labels = augmented_batch(cached, index, recipe.augmentation, generator)
        images = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        for number, image, mask in zip(index.tolist(), images, labels.numpy(), strict=True):
            tiles.append((shown[number].id, _framed(overlay(image, mask, alpha=0.0))))
    write_image(path, contact_sheet(tiles, _COLUMNS, _TILE_SIZE))
    return path


def _framed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with a thin frame: a white border of its own would melt into the sheet."""
    picture[[0, -1]] = picture[:, [0, -1]] = _FRAME
    return picture


def _evenly(count: int, wanted: int) -> list[int]:
    """``wanted`` of ``count`` places, from the first to the last."""
    return [place * (count - 1) // max(1, wanted - 1) for place in range(wanted)]
