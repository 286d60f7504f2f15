"""What the candidates cost: predicted for all, measured for those that matter."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bmis.config import Settings
from bmis.errors import ConfigError, is_disk_full
from bmis.fit.candidates import Candidate, Counted, Network, count_one
from bmis.fit.device import DeviceFile, WayCost
from bmis.fit.latency import CostModel, fit_costs, median_error
from bmis.fit.settings import FitConfig
from bmis.system.progress import track

_log = logging.getLogger("bmis")
_UNLIKE = 0.25  # median error of a model on what it learnt from; 15 % is aimed at for new networks
Ways = tuple[WayCost, ...]
Measure = Callable[[Candidate], Ways]


@dataclass(frozen=True)
class Measured(Settings):
    """A candidate that was measured, or tried to.

    Attributes:
        candidate: The candidate.
        ways: What it costs by each engine in each precision, for one call.
        predicted: Milliseconds that were predicted before for each way by its name.
        error: Why it could not be measured; None if it was.
        seconds: Time that the measuring took.

    Example:
        >>> Measured(Candidate("unet"), (), {}, "cannot be exported").error
        'cannot be exported'
    """

    candidate: Candidate
    ways: Ways
    predicted: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Costed(Settings):
    """A candidate with what it costs by each engine in each precision, for one image.

    Attributes:
        counted: The candidate and what it computes.
        ways: Cheapest first; milliseconds are those of all tiles.
        measured: Whether it was measured, and not predicted.

    Example:
        >>> one = Counted(Candidate("unet"), {"dense": 3.0}, 100, 1)
        >>> Costed(one, (WayCost("openvino", "int8", 2.0, 0.1),), False).ms
        2.0
    """

    counted: Counted
    ways: Ways
    measured: bool

    @property
    def candidate(self) -> Candidate:
        """The candidate itself."""
        return self.counted.candidate

    @property
    def ms(self) -> float:
        """Milliseconds of the fastest way."""
        return self.ways[0].ms

    @property
    def mb(self) -> float:
        """Megabytes of the bundle for the fastest way."""
        return self.ways[0].mb or 0.0


class Prices:
    """What operations cost on a machine by each engine in each precision, from what was measured.

    Args:
        rows: What was measured, each with the operations and weights of its network.

    Raises:
        MissingExtraError: scipy is not installed.

    Example:
        >>> unet = Counted(Candidate("unet"), {"dense": 4.0}, 1000, tiles=1)
        >>> prices = Prices([(unet, (WayCost("openvino", "int8", 2.0, 0.5),))] * 3)
        >>> [round(way.ms, 1) for way in prices.predict(unet)]
        [2.0]
    """

    def __init__(self, rows: Sequence[tuple[Counted, Ways]]) -> None:
        """Fit one model for each way and each cost."""
        self._models: dict[tuple[str, str], dict[str, CostModel]] = {}
        for key in sorted({(way.engine, way.precision) for _, ways in rows for way in ways}):
            mine = [
                (counted, way)
                for counted, ways in rows
                for way in ways
                if (way.engine, way.precision) == key
            ]
            self._models[key] = {
                "ms": fit_costs([c.operations for c, _ in mine], [w.ms for _, w in mine]),
                **_optional_models(mine),
            }

    def predict(self, counted: Counted) -> Ways:
        """What one call of a network costs, if it was never measured."""
        return tuple(
            WayCost(engine, precision, **_predicted(models, counted))
            for (engine, precision), models in self._models.items()
        )


def _optional_models(rows: Sequence[tuple[Counted, WayCost]]) -> dict[str, CostModel]:
    """Models of size and memory, where these were measured."""
    models = {}
    for name in ("mb", "resident_mb"):
        known = [(c, getattr(w, name)) for c, w in rows if getattr(w, name) is not None]
        if known:
            numbers = [_sizes(counted) for counted, _ in known]
            models[name] = fit_costs(numbers, [value for _, value in known])
    return models


def _predicted(models: Mapping[str, CostModel], counted: Counted) -> dict[str, float]:
    numbers = {"ms": counted.operations}
    return {
        name: max(1e-3, model.predict(numbers.get(name, _sizes(counted))))
        for name, model in models.items()
    }


def _sizes(counted: Counted) -> dict[str, float]:
    """What size and memory follow from: weights, operators and values of the maps."""
    operations = counted.operations
    return {
        "parameters": counted.parameters / 1e6,
        "operators": operations.get("operators", 0.0) / 100,
        "values": operations.get("convolved", 0.0) + operations.get("moved", 0.0),
    }


def overshoot(way: WayCost, config: FitConfig) -> float:
    """The largest of a way's costs over what is allowed; it fits up to 1.

    Example:
        >>> way = WayCost("openvino", "int8", ms=12.0, mb=0.5)
        >>> overshoot(way, FitConfig("polyps", max_ms=10, max_mb=1))
        1.2
    """
    pairs = (
        (way.ms, config.max_ms),
        (way.mb, config.max_mb),
        (way.resident_mb, config.max_memory),
    )
    return max(cost / most for cost, most in pairs if cost is not None and most is not None)


def cost_all(
    counted: Sequence[Counted], measured: Sequence[Measured], prices: Prices, config: FitConfig
) -> list[Costed]:
    """Every candidate with its costs: measured ones where they are, else predicted ones.

    Networks that could not be measured are left out.

    Example:
        >>> unet = Counted(Candidate("unet"), {"dense": 4.0}, 1000, tiles=2)
        >>> ways = (WayCost("openvino", "int8", 2.0, 0.5),)
        >>> config = FitConfig("polyps", max_ms=10)
        >>> measured, prices = [Measured(unet.candidate, ways)], Prices([(unet, ways)])
        >>> found = cost_all([unet], measured, prices, config)
        >>> found[0].ms, found[0].measured
        (4.0, True)
    """
    known = {one.candidate.name: one for one in measured}
    failed = {one.candidate.network for one in measured if one.error}  # at one size as at all
    found = []
    for one in counted:
        mine = known.get(one.candidate.name)
        if one.candidate.network not in failed:
            ways = mine.ways if mine else prices.predict(one)
            found.append(Costed(one, _of_image(ways, one, config), mine is not None))
    return [one for one in found if one.ways]


def _of_image(ways: Ways, counted: Counted, config: FitConfig) -> Ways:
    """The ways of the engine that is asked for, for all tiles; those within the budget first."""
    mine = (
        replace(way, ms=way.ms * counted.tiles)
        for way in ways
        if config.engine in ("auto", way.engine)
    )
    return tuple(sorted(mine, key=lambda way: (max(1.0, overshoot(way, config)), way.ms)))


def rows_of_device(found: DeviceFile, networks: Collection[Network]) -> list[tuple[Counted, Ways]]:
    """The measurements of a device file, each with what the network computes.

    The file may come from anywhere. So only networks that are known here are built, and all others
    are left out.

    Args:
        found: The file.
        networks: Names and options that may be built.

    Raises:
        ConfigError: None of the file's networks is among them.

    Example:
        >>> way = WayCost("onnxruntime", "fp32", ms=5.0)
        >>> from bmis.fit.device import DeviceBundle
        >>> bundle = DeviceBundle("bmis_edge", {"width": 16}, (96, 96), 3, 2, (way,))
        >>> board, edge = DeviceFile("a board", 1, {}, (bundle,)), ("bmis_edge", {"width": 16})
        >>> ((counted, ways),) = rows_of_device(board, [edge])
        >>> counted.candidate.name, ways[0].ms
        ('bmis_edge:width=16 at 96', 5.0)
    """
    rows = []
    for bundle in track(found.bundles, "following the device's networks"):
        candidate = Candidate(bundle.model, bundle.options, bundle.size)
        if bundle.ways and (bundle.model, bundle.options) in networks:
            counted = count_one(candidate, channels=bundle.channels, classes=bundle.classes)
            rows.append((counted, bundle.ways))
    if not rows:
        raise ConfigError(
            "the device file names no network that this bmis knows; measure the bundles of "
            "`bmis bench --make` on the device"
        )
    return rows


def prediction_error(measured: Sequence[Measured]) -> float | None:
    """The median relative error of what was predicted before it was measured.

    Example:
        >>> way = WayCost("openvino", "int8", ms=10.0)
        >>> prediction_error([Measured(Candidate("unet"), (way,), {"openvino int8": 9.0})])
        0.1
    """
    pairs = [
        (one.predicted[way.name], way.ms)
        for one in measured
        for way in one.ways
        if way.name in one.predicted
    ]
    return median_error([guess for guess, _ in pairs], [truth for _, truth in pairs])


def try_to_measure(candidate: Candidate, measure: Measure) -> tuple[Ways, str | None]:
    """What a candidate costs, or why it cannot be measured.

    Example:
        >>> def measure(candidate):
        ...     raise ConfigError("cannot be exported")
        >>> try_to_measure(Candidate("unet"), measure)
        ((), 'cannot be exported')
    """
    try:
        return measure(candidate), None
    except Exception as error:  # libraries and plugins raise what they like
        if is_disk_full(error):
            raise
        return (), " ".join(str(error).split()) or type(error).__name__


def warn_if_unlike(prices: Prices, rows: Sequence[tuple[Counted, Ways]], name: str) -> None:
    """Say so where the times of a device file do not even follow from one another.

    Such a file was measured beside other programs, and what is predicted from it means little.

    Example:
        >>> unet = Counted(Candidate("unet"), {"dense": 4.0}, 1000, tiles=1)
        >>> rows = [(unet, (WayCost("openvino", "int8", 2.0),))] * 3
        >>> warn_if_unlike(Prices(rows), rows, "pi5.json")  # nothing: they do
    """
    pairs = [
        (guess.ms, way.ms)
        for counted, ways in rows
        for way in ways
        for guess in prices.predict(counted)
        if guess.name == way.name
    ]
    error = median_error([guess for guess, _ in pairs], [truth for _, truth in pairs])
    if error is not None and error > _UNLIKE:
        _log.warning(
            "%s: its times do not follow from one another (off by %.0f %% in the median), so what "
            "is predicted means little; measure it again with `bmis bench` on an idle machine",
            name,
            100 * error,
        )
