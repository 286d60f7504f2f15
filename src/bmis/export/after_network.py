"""What a bundle holds besides graphs: post-processing, and what Dice to expect of its masks.

Both rest on validation images alone. The masks that the gate compares are those before
post-processing, which could hide how a graph differs from its network.
"""

import logging
from dataclasses import replace
from typing import Any

from bmis.config import ModelInfo
from bmis.data.cases import Dataset
from bmis.errors import DataError
from bmis.export.answers import collect_answers
from bmis.export.confidence import calibrate
from bmis.export.settings import ExportOptions
from bmis.export.tune import LEAST, Tuned, tune
from bmis.export.validation import FIXED
from bmis.runtime.load import Runtime
from bmis.wording import counted

_log = logging.getLogger("bmis")


class AfterNetwork:
    """Finds out what to do with a network's answers.

    Args:
        info: What was saved with the network.
        dataset: Its validation split decides.
        options: Whether to choose the post-processing, or which to store.

    Attributes:
        info: The same with post-processing and confidence, once ``settle`` was called.
        tuned: The post-processing that was chosen and all that was tried, if that was asked for.
        quality: What to say of both in the manifest.

    Raises:
        ConfigError: The post-processing does not fit the network.
        DataError: The post-processing shall be chosen, and there are too few validation images.

    Example:
        >>> import bmis
        >>> runtime, info = bmis.load_runtime("run")
        >>> options = bmis.ExportOptions(postprocessing=bmis.PostProcessing(threshold=0.4))
        >>> after = AfterNetwork(info, bmis.open_dataset("polyps"), options)
        >>> after.settle(runtime)
        >>> after.info.postprocessing.threshold, after.info.confidence  # too few images
        (0.4, None)
    """

    def __init__(self, info: ModelInfo, dataset: Dataset, options: ExportOptions) -> None:
        self.info = replace(info, postprocessing=options.postprocessing)
        self.tuned: Tuned | None = None
        self.quality: dict[str, Any] = {}
        self._dataset, self._options = dataset, options
        self._cases = [case for case in dataset.cases if case.split == "val"]
        if options.tune:
            _check_number(dataset, len(self._cases))

    def settle(self, runtime: Runtime) -> None:
        """Choose and calibrate with the graph that a device runs by default."""
        flips = self._options.postprocessing.flips
        tuning, rules = self._options.tune, self._options.postprocessing
        seen = {
            one: collect_answers(runtime, self.info, self._dataset, self._cases, one)
            for one in (("none", flips) if tuning else (flips,))
        }
        if tuning:
            _check_number(self._dataset, len(seen["none"]))
            flipped = () if flips == "none" else seen[flips]
            self.tuned = tune(seen["none"], flipped, flips)
            rules = self.tuned.rules
            self.quality["tuned"] = self.tuned.summary()
        perturbed = collect_answers(
            runtime, self.info, self._dataset, self._cases, rules.flips, perturbed=True
        )
        confidence, told = calibrate([*seen[rules.flips], *perturbed], rules)
        self.info = replace(self.info, postprocessing=rules, confidence=confidence)
        if confidence is not None:
            self.quality["expected_dice"] = told
        foreign = [name for name in self._options.formats if name in FIXED]
        if foreign and rules.changes():
            _log.warning(
                "the graph for %s holds no post-processing (%s); do it in the program that runs it",
                " and ".join(foreign),
                rules.in_words(),
            )


def _check_number(dataset: Dataset, images: int) -> None:
    if images < LEAST:
        raise DataError(
            f"{dataset.root}: {counted(LEAST, 'validation image')} or more are needed to choose "
            f"post-processing, there are {images}; leave --tune out, or name other images with "
            "--data"
        )
