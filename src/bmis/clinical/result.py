"""The masks of a stack, and what identifies them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bmis.clinical.settings import ClinicalOptions
from bmis.clinical.stack import DicomStack, Stack
from bmis.clinical.uids import hashed_uid
from bmis.config import ModelInfo
from bmis.errors import ConfigError


@dataclass(frozen=True, eq=False)
class StackResult:
    """The masks of a stack.

    Attributes:
        stack: What was segmented.
        labels: (n, H, W) uint8.
        probabilities: (n, K, H, W) float32 in 0..1, background included, where asked for.
        ood_scores: Out-of-distribution score of each picture, where known.
        expected_dice: See ``Mask``, of each picture, where known.
        failed: Pictures without mask, by index, each with one line that says why.
        model: What the network is called.
        info: What was saved with the network.
        options: What shall be written.
        spacing: Millimetres per pixel (down, across) of pictures that do not know their own.

    Example:
        >>> from bmis.clinical.segment import segment
        >>> from bmis.clinical.study import find_stacks
        >>> from pathlib import Path
        >>> import bmis
        >>> (stack,) = find_stacks([Path("ct")]).stacks
        >>> with segment(bmis.load("run"), stack, Path("out"), "run") as result:
        ...     result.labels.shape, result.failed
        ((4, 48, 64), {})
    """

    stack: Stack
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float32] | None
    ood_scores: list[float | None]
    expected_dice: list[float | None]
    failed: Mapping[int, str]
    model: str
    info: ModelInfo
    options: ClinicalOptions = field(default_factory=ClinicalOptions)
    spacing: tuple[float, float] | None = None

    @property
    def good(self) -> list[int]:
        """Pictures that have a mask, by index."""
        return [index for index in range(len(self.stack)) if index not in self.failed]

    @property
    def known_probabilities(self) -> NDArray[np.float32]:
        """The probabilities; ``ConfigError`` if the predictor did not keep them."""
        if self.probabilities is None:
            raise ConfigError("a fractional segmentation needs a predictor with probabilities")
        return self.probabilities

    def spacing_of(self, index: int) -> tuple[float, float] | None:
        """Millimetres per pixel (down, across) of a picture, where known."""
        return self.stack.spacing(index) or self.spacing

    def uid(self, *names: object) -> str:
        """A UID under the root that was set, which follows from the images, the masks and names.

        The same images, network and options give the same UIDs, and other masks give others.
        """
        text = "\n".join([self._digest, *map(str, names)])
        return hashed_uid(self.options.uid_root, text)

    @cached_property
    def _digest(self) -> str:
        """A digest of the images by their UIDs, of the masks, and of what shall be written."""
        digest = hashlib.sha256()
        known = {**self.options.to_dict(), "outputs": None}, self.model, self.info.to_dict()
        digest.update(json.dumps(known, sort_keys=True, default=str).encode())
        if isinstance(self.stack, DicomStack):
            for file, frame in self.stack.frames:
                digest.update(f"{file.header.get('SOPInstanceUID')} {frame}\n".encode())
        for plane in self.labels:
            digest.update(plane.tobytes())
        return digest.hexdigest()
