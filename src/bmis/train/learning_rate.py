"""A search of the learning rate: the loss while the rate rises (arXiv:1506.01186, section 3.3)."""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bmis.config import TrainConfig
from bmis.errors import TrainingError
from bmis.report.figures.rate_search import draw_rate_search
from bmis.report.figures.style import render_png
from bmis.system.files import atomic, write_json
from bmis.system.progress import track
from bmis.train.batches import draw_batches, mix_seed
from bmis.train.plan import make_plan
from bmis.train.session import Session, make_trainer, open_session
from bmis.train.threads import ThreadSearch, training_threads

_log = logging.getLogger("bmis")
PLOT, TABLE = "learning_rate.png", "learning_rate.json"
_LOWEST, _HIGHEST = 1e-5, 1e-1
_SECONDS = 60.0  # for all steps, unless the fewest take longer
_FEWEST, _MOST = 24, 100  # steps
_TIMED = 4  # steps at the lowest rate, which say how many there is time for
_DIVERGED = 1.5  # times the first loss
_BLUR = 0.15  # decades of the rate: standard deviation of the smoothing


@dataclass(frozen=True)
class RateSearch:
    """What ``find_learning_rate`` found.

    Attributes:
        rate: The rate at which the loss falls most steeply.
        run: The folder that holds ``learning_rate.png`` and ``learning_rate.json``.
        rates: Learning rate of each step, rising.
        losses: Loss of each step.
        smoothed: The same without its noise.

    Example:
        >>> RateSearch(1e-3, Path("run"), (1e-3,), (1.0,), (1.0,)).rate
        0.001
    """

    rate: float
    run: Path
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]


def find_learning_rate(config: TrainConfig, *, out: Path | str | None = None) -> RateSearch:
    """Suggest a highest learning rate for a training, in about a minute at most.

    A new network takes up to 100 steps, as a training would, while the rate of all optimisers
    rises from 1e-5 to 0.1. The suggestion is the rate at which the smoothed loss falls most
    steeply. A run that is in the folder stays as it is.

    Args:
        config: The training that the rate is for; it is searched for by one process.
        out: Run folder; by default that of the training.

    Raises:
        BmisError: As ``train_model`` raises; a ``TrainingError`` if the loss falls at no rate.

    Example:
        >>> config = TrainConfig("polyps", "unet", {"widths": [4, 8]}, size=(64, 64))
        >>> found = find_learning_rate(config, out="polyps-run")
        >>> 1e-5 <= found.rate <= 0.1
        True
    """
    config = replace(config, devices=1, nodes=1, logger="csv")
    plan = make_plan(config, out=out)
    session = open_session(plan)
    with training_threads(plan.config, None) as search:
        rates, losses = _measure(session, search)
    smoothed = smooth(np.log10(rates), losses)
    rate = steepest(rates, smoothed)
    found = {
        "rate": rate,
        "recipe": plan.recipe.to_dict(),
        "model": plan.config.model,
        "rates": rates.tolist(),
        "losses": losses.tolist(),
        "smoothed": smoothed.tolist(),
    }
    write_json(plan.run / TABLE, found)
    with atomic(plan.run / PLOT) as temporary:
        temporary.write_bytes(render_png(lambda: draw_rate_search(rates, losses, smoothed, rate)))
    if rate is None:
        raise TrainingError(
            f"the loss falls at no learning rate from {_LOWEST:g} to {_HIGHEST:g} (see "
            f"{plan.run / PLOT}); look at images and masks with `bmis inspect {config.data}`"
        )
    series = (tuple(values.tolist()) for values in (rates, losses, smoothed))
    return RateSearch(rate, plan.run, *series)


def _measure(
    session: Session, search: ThreadSearch | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rates and the loss of the step at each, until all are done or the loss diverges."""
    step = _Stepper(session, search)
    first = [step(_LOWEST) for _ in range(_TIMED)]
    rates = _ramp(min(step.seconds[1:]))  # threads and libraries start in the first step
    _log.info("trying %d learning rates from %g to %g", len(rates), _LOWEST, _HIGHEST)
    losses: list[float] = []
    for rate in track(rates, "searching the learning rate"):
        losses.append(step(rate))
        if not min(losses[-3:]) < _DIVERGED * max(first):  # also if it is not a number
            break
    whole = [loss for loss in losses if math.isfinite(loss)]
    return np.array(rates[: len(whole)]), np.array(whole)


class _Stepper:
    """Takes one step of a new network after another, as a training does."""

    def __init__(self, session: Session, search: ThreadSearch | None) -> None:
        self._train, self._search = session.cached["train"], search
        self._trainer = make_trainer(session, session.plan.recipe)
        self._batches = _batches(session)
        seed = mix_seed(session.plan.config.seed, 0, 1)
        self._generator = torch.Generator().manual_seed(seed)
        self.seconds: list[float] = []

    def __call__(self, rate: float) -> float:
        """The loss of one step at this rate."""
        begin, batch = time.perf_counter(), next(self._batches)
        loss = float(self._trainer.train_step(self._train, batch, self._generator, rate))
        self.seconds.append(time.perf_counter() - begin)
        if self._search:
            self._search.step_done(len(batch))
        return loss


def _ramp(seconds: float) -> list[float]:
    """The rates for which there is time if a step takes so many seconds."""
    steps = min(max(int(_SECONDS / seconds), _FEWEST), _MOST)
    return np.geomspace(_LOWEST, _HIGHEST, steps).tolist()  # type: ignore[no-any-return]


def _batches(session: Session) -> Iterator[Tensor]:
    """Batches of one epoch after another, without an end."""
    plan, train = session.plan, session.cached["train"]
    for epoch in count():
        yield from draw_batches(
            len(train),
            plan.recipe.batch_size,
            seed=mix_seed(plan.config.seed, epoch, 0),
            crops_per_image=train.crops_per_image(),
        )


def smooth(places: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve without its noise: means with Gaussian weights.

    Args:
        places: (N,) logarithms to the base 10 of the rates.
        values: (N,)

    Example:
        >>> smooth(np.linspace(-5, -1, 9), np.ones(9)).round(6).tolist() == [1.0] * 9
        True
    """
    weights = np.exp(-0.5 * ((places[:, None] - places) / _BLUR) ** 2)
    return (weights @ values) / weights.sum(1)  # type: ignore[no-any-return]


def steepest(rates: NDArray[np.float64], smoothed: NDArray[np.float64]) -> float | None:
    """The rate, below that of the lowest loss, at which the loss falls most for each decade.

    Args:
        rates: (N,) rising.
        smoothed: (N,) the loss at each.

    Returns:
        The rate with two digits; None where the loss does not fall.

    Example:
        >>> steepest(np.array([1e-4, 1e-3, 1e-2, 1e-1]), np.array([1.0, 0.9, 0.3, 2.0]))
        0.01
    """
    lowest = int(smoothed.argmin()) if len(smoothed) else 0
    if lowest < 1:
        return None
    slopes = np.gradient(smoothed[: lowest + 1], np.log10(rates[: lowest + 1]))
    return float(f"{rates[int(slopes.argmin())]:.2g}")
