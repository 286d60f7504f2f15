"""A data set for training loops of your own: pairs of normalised images and labels."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from bmis.config import InputSpec
from bmis.data.cases import Dataset, load_case
from bmis.data.folder import open_dataset
from bmis.data.preprocess import fit, fit_labels, normalise


class SegmentationDataset(data.Dataset[tuple[Tensor, Tensor]]):
    """The images of a data set and their labels, as tensors for a ``DataLoader``.

    Images are read from their files each time, at the network's size and not augmented.
    ``bmis train`` makes its own in the same way.

    Args:
        dataset: A dataset folder, or what ``open_dataset`` returns.
        split: "train", "val" or "test"; None takes all images.
        size: Height and width that images are brought to, in pixels.
        resize: "squash" or "letterbox", see ``TrainConfig``. "native" keeps the pixels, and pads
            smaller images up to ``size``; images of several sizes then need a batch each.

    Raises:
        DataError: The data set cannot be read, or the split is empty.

    Example:
        >>> images = SegmentationDataset("polyps", split="train", size=(32, 32))
        >>> image, labels = images[0]
        >>> len(images), image.shape, labels.shape
        (9, torch.Size([3, 32, 32]), torch.Size([32, 32]))
    """

    def __init__(
        self,
        dataset: Dataset | Path | str,
        *,
        split: str | None = None,
        size: tuple[int, int] = (224, 224),
        resize: str = "squash",
    ) -> None:
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        self.dataset = opened
        self.cases = opened.cases if split is None else opened.split(split)
        self.input = InputSpec(size, opened.channels, resize=resize)

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (C, H, W) float32, normalised, and labels (H, W) int64: 0..K-1, 255 is ignored.

        Where a data set has ignored pixels, give ``counted_pixels(labels)`` to the losses of bmis.
        """
        image, labels = load_case(self.cases[index], self.dataset)
        pixels, _ = fit(image.pixels, self.input)
        fitted = fit_labels(labels, self.input).astype(np.int64)
        return torch.from_numpy(normalise(pixels, self.input)), torch.from_numpy(fitted)
