"""A cost that is predicted: a sum of a network's operations, each times what it costs here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from bmis.errors import require

Numbers = Mapping[str, float]
_RIDGE = 1e-3  # how much large coefficients count, so that few measurements do not pick one alone


@dataclass(frozen=True)
class CostModel:
    """What each operation costs on a machine, never less than nothing.

    Attributes:
        coefficients: Cost of one unit of each number; that of "one" is there for every network.

    Example:
        >>> CostModel({"one": 0.5, "dense": 0.01}).predict({"dense": 100.0})
        1.5
    """

    coefficients: Numbers

    def predict(self, numbers: Numbers) -> float:
        """The cost of a network with these operations."""
        all_numbers = {"one": 1.0, **numbers}
        return sum(each * all_numbers.get(name, 0.0) for name, each in self.coefficients.items())


def fit_costs(rows: Sequence[Numbers], costs: Sequence[float]) -> CostModel:
    """Learn what each operation costs, by least squares of the relative errors.

    Args:
        rows: The operations of each network that was measured.
        costs: What each of them costs; all above 0.

    Raises:
        MissingExtraError: scipy is not installed.

    Example:
        >>> rows = [{"dense": float(n), "moved": float(n % 3)} for n in range(1, 9)]
        >>> model = fit_costs(rows, [0.2 + 0.5 * row["dense"] for row in rows])
        >>> round(model.predict({"dense": 20.0}), 1)
        10.2
    """
    optimize = require("scipy.optimize", extra="train")
    names = ["one", *dict.fromkeys(name for row in rows for name in row)]
    full = [{"one": 1.0, **row} for row in rows]
    table = np.array([[row.get(name, 0.0) for name in names] for row in full])
    relative = table / np.array(costs)[:, None]
    scale = np.maximum(np.sqrt(np.square(relative).mean(0)), 1e-12)
    ridge = np.eye(len(names)) * np.sqrt(_RIDGE * len(rows))
    wanted = np.concatenate([np.ones(len(rows)), np.zeros(len(names))])
    found, _ = optimize.nnls(np.vstack([relative / scale, ridge]), wanted)
    return CostModel(dict(zip(names, (found / scale).tolist(), strict=True)))


def relative_errors(predicted: Sequence[float], measured: Sequence[float]) -> list[float]:
    """How far each prediction is off, as a share of what was measured.

    Example:
        >>> relative_errors([9.0, 11.0], [10.0, 10.0])
        [0.1, 0.1]
    """
    pairs = zip(predicted, measured, strict=True)
    return [abs(guess - truth) / truth for guess, truth in pairs]


def median_error(predicted: Sequence[float], measured: Sequence[float]) -> float | None:
    """The median of ``relative_errors``; None where there is nothing to compare.

    Example:
        >>> median_error([9.0, 12.0, 10.0], [10.0, 10.0, 10.0])
        0.1
    """
    errors = relative_errors(predicted, measured)
    return median(errors) if errors else None
