"""A whole split as uint8 in one place: on the device, in memory, or mapped from a file.

There are no worker processes, because a batch is a few indexing operations on these tensors.
"""

import itertools
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bmis.config import InputSpec
from bmis.data.cases import Case, Dataset, load_case
from bmis.data.coding import IGNORE
from bmis.data.images import image_size
from bmis.data.label_checks import LabelFacts, label_facts
from bmis.data.on_error import OnError, raise_together
from bmis.data.preprocess import fit, fit_labels
from bmis.errors import DataError, one_line_about
from bmis.system.memory import free_memory
from bmis.system.processor import usable_cores
from bmis.system.progress import track

_SHARE = 0.5  # of the free memory, which the data may take
_PIECE = 2**24  # pixels that are counted at once
_WAITING = 4  # threads beyond one a core, because some wait for the disk


class CachedDataset:
    """Images and labels of some cases, at the size that the network is trained at.

    Attributes:
        spec: Size, channels and resize rule.
        device: Where ``crops`` and ``windows`` put what they return.
        shapes: Height and width of each case.
        uniform: Whether all shapes are ``spec.size``, which "native" alone does not promise.
        ignores: Whether some labels are ``IGNORE``.
        facts: What the labels of each case show.

    Example:
        >>> from bmis import open_dataset
        >>> dataset, spec = open_dataset("polyps"), InputSpec(size=(32, 48))
        >>> cpu = torch.device("cpu")
        >>> cached = CachedDataset(dataset.cases, dataset, spec, cpu, scratch=Path())
        >>> images, labels = cached.crops(torch.tensor([0, 3]), torch.Generator())
        >>> images.shape, labels.shape
        (torch.Size([2, 3, 32, 48]), torch.Size([2, 32, 48]))
    """

    def __init__(
        self,
        cases: Sequence[Case],
        dataset: Dataset,
        spec: InputSpec,
        device: torch.device,
        *,
        scratch: Path,
        on_error: OnError | None = None,
    ) -> None:
        """Read everything once.

        Args:
            cases: The cases to read, at least one.
            dataset: The data set that they are from.
            spec: Size, channels and resize rule.
            device: Where the tensors go if they fit there.
            scratch: Folder for the mapped file, used only if they do not fit into memory.
            on_error: Takes the error of every case that cannot be used; by default all are raised
                together. After an error nothing else can be done with what was read.

        Raises:
            DataError: Some files cannot be used; see ``data.on_error.raise_together``.
        """
        self.spec, self.device = spec, device
        self.uniform = spec.resize != "native"
        self.shapes = _shapes(cases, spec)
        self.facts = [LabelFacts({}, {}) for _ in cases]
        areas = np.array([h * w for h, w in self.shapes], dtype=np.int64)
        self._starts = np.concatenate([[0], areas.cumsum()])
        total = int(self._starts[-1])
        pixels, labels = _allocate(total, spec.channels, scratch)
        with raise_together(dataset.root) as collect:
            self._fill(cases, dataset, pixels, labels, on_error or collect)
        self.ignores = dataset.coding.ignore is not None and int(labels.max()) == IGNORE
        self._pixels, self._labels = torch.from_numpy(pixels), torch.from_numpy(labels)
        if device.type == "cuda" and total * (spec.channels + 1) < _SHARE * _free(device):
            self._pixels, self._labels = self._pixels.to(device), self._labels.to(device)

    def __len__(self) -> int:
        return len(self.shapes)

    def _fill(
        self,
        cases: Sequence[Case],
        dataset: Dataset,
        pixels: np.ndarray,
        labels: np.ndarray,
        on_error: OnError,
    ) -> None:
        """Read all cases into the two arrays, on several threads."""

        def read(number: int) -> DataError | None:
            try:
                with one_line_about(cases[number].image):
                    image, mask = load_case(cases[number], dataset)
            except DataError as error:
                return error
            span = slice(*self._starts[number : number + 2])
            fitted, _ = fit(image.pixels, self.spec)
            pixels[span] = fitted.reshape(-1, self.spec.channels)
            drawn = fit_labels(mask, self.spec)
            self.facts[number] = label_facts(drawn)
            labels[span] = drawn.reshape(-1)
            return None

        with ThreadPoolExecutor(usable_cores() + _WAITING) as pool:
            results = pool.map(read, range(len(cases)))
            for error in track(results, "reading images", total=len(cases)):
                if error:
                    on_error(error)

    def count_classes(self, num_classes: int) -> np.ndarray:
        """Count the pixels of each class in each case, (N, ``num_classes``); ignored ones not."""
        spans = itertools.pairwise(self._starts.tolist())
        counts = [torch.bincount(self._labels[a:b].flatten(), minlength=256) for a, b in spans]
        return torch.stack(counts).cpu().numpy()[:, :num_classes]

    def crops_per_image(self) -> int:
        """How many crops of ``spec.size`` cover the mean image once, at least 1."""
        crop = self.spec.size[0] * self.spec.size[1]
        return max(1, round(int(self._starts[-1]) / len(self) / crop))

    def count_labels(self) -> Tensor:
        """How many pixels have each label, (256,) int64 on the CPU."""
        pieces = self._labels.split(_PIECE)  # type: ignore[no-untyped-call]
        counts = torch.zeros(256, dtype=torch.int64)
        for piece in pieces:
            counts += torch.bincount(piece, minlength=256).cpu()
        return counts

    def crops(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One crop of ``spec.size`` from each of some cases; the whole case if all are uniform.

        Args:
            index: (N,), the numbers of the cases, int64 on the CPU.
            generator: Draws the places of the crops; on the CPU.

        Returns:
            uint8 images (N, C, h, w) and labels (N, h, w) on the device.
        """
        height, width = self.spec.size
        if self.uniform:
            return self._whole(index)
        places = torch.rand(len(index), 2, generator=generator).tolist()
        boxes = []
        for number, (y, x) in zip(index.tolist(), places, strict=True):
            tall, wide = self.shapes[number]
            top, left = int(y * (tall - height + 1)), int(x * (wide - width + 1))
            boxes.append((number, top, left))
        return self._boxes(boxes)

    def windows(self, number: int) -> tuple[Tensor, Tensor]:
        """The windows of ``spec.size`` that cover one case; the last ones are moved to fit.

        Args:
            number: The number of the case.

        Returns:
            uint8 images (W, C, h, w) and labels (W, h, w) on the device.
        """
        if self.uniform:
            return self._whole(torch.tensor([number]))
        (tall, wide), (height, width) = self.shapes[number], self.spec.size
        return self._boxes(
            [
                (number, min(top, tall - height), min(left, wide - width))
                for top in range(0, tall, height)
                for left in range(0, wide, width)
            ]
        )

    def _whole(self, index: Tensor) -> tuple[Tensor, Tensor]:
        shape = (len(self), *self.spec.size)
        index = index.to(self._pixels.device)
        images = self._pixels.view(*shape, self.spec.channels)[index].permute(0, 3, 1, 2)
        return images.to(self.device), self._labels.view(shape)[index].to(self.device)

    def _boxes(self, boxes: Sequence[tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
        height, width = self.spec.size
        images, labels = [], []
        for number, top, left in boxes:
            span = slice(*self._starts[number : number + 2].tolist())
            area = (slice(top, top + height), slice(left, left + width))
            shape = self.shapes[number]
            images.append(self._pixels[span].view(*shape, self.spec.channels)[area])
            labels.append(self._labels[span].view(shape)[area])
        stack = torch.stack(images).permute(0, 3, 1, 2)
        return stack.to(self.device), torch.stack(labels).to(self.device)


def _shapes(cases: Sequence[Case], spec: InputSpec) -> list[tuple[int, int]]:
    """Sizes after ``fit``, from the file headers; what cannot be read counts as ``spec.size``."""
    if spec.resize != "native":
        return [spec.size] * len(cases)
    shapes = []
    for case in cases:
        try:
            height, width = image_size(case.image, channels=spec.channels)
        except DataError:  # it is reported, with all others, when it is read
            height, width = spec.size
        shapes.append((max(height, spec.size[0]), max(width, spec.size[1])))
    return shapes


def _allocate(total: int, channels: int, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Room for ``total`` pixels: memory if they fit, else a file that goes with the process."""
    if total * (channels + 1) < _SHARE * _free(torch.device("cpu")):
        return np.empty((total, channels), np.uint8), np.empty(total, np.uint8)
    size = total * (channels + 1)
    if size > shutil.disk_usage(scratch).free:  # a full disk kills who writes to a mapping
        raise DataError(
            f"{scratch}: no room for {size / 2**30:.1f} GiB of images; free memory or disk, "
            "or choose a smaller --size"
        )
    with tempfile.TemporaryFile(dir=scratch) as file:  # the mapping outlives it
        mapped = np.memmap(file, np.uint8, "w+", shape=(size,))
    split = total * channels
    return mapped[:split].reshape(total, channels), mapped[split:]


def _free(device: torch.device) -> int:
    """Free bytes on a device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
