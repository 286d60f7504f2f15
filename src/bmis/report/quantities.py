"""What is reported of a method: its scores and its costs, how they are named, scaled and judged."""

import math
from dataclasses import dataclass
from typing import Any

from bmis.metrics import DISTANCES
from bmis.records import Record


@dataclass(frozen=True)
class Quantity:
    """One column of the tables.

    Attributes:
        key: Its name in records and CSV files.
        title: Its name for people.
        unit: Behind the title; "" where it has none.
        rising: Whether more is better.
        scale: What a value is divided by before it is shown; CSV files hold it undivided.
        digits: Behind the point; None gives three significant ones.
    """

    key: str
    title: str
    unit: str = ""
    rising: bool = False
    scale: float = 1.0
    digits: int | None = None

    @property
    def heading(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def show(self, value: float) -> str:
        """A value as text, in the quantity's unit."""
        value /= self.scale
        return short(value) if self.digits is None else f"{value:.{self.digits}f}"

    def better(self, one: float, other: float) -> bool:
        """Whether ``one`` is strictly better than ``other``."""
        return one > other if self.rising else one < other


_TITLES = {
    "iou": "IoU",
    "dice": "Dice",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "hd95": "HD95",
    "assd": "ASSD",
    "nsd": "NSD",
}
SECONDS = "seconds_per_epoch"  # the one cost that depends on the number of images
COSTS = (
    Quantity("parameters", "Parameters", "M", scale=1e6),
    Quantity("macs", "MACs", "G", scale=1e9),
    Quantity(SECONDS, "Training", "s/epoch"),
    Quantity("training_mb", "Training memory", "MB"),
    Quantity("inference_mb", "Inference memory", "MB"),
    Quantity("latency_p50_ms", "Latency p50", "ms"),
    Quantity("latency_p95_ms", "Latency p95", "ms"),
    Quantity("images_per_second", "Throughput", "images/s", rising=True),
)
PLOTTED = ("parameters", "macs", "inference_mb", "latency_p50_ms", SECONDS)
QUALITY = "iou"  # what methods are ranked, tested and plotted by


def metrics(unit: str) -> tuple[Quantity, ...]:
    """The scores; distances are in ``unit``."""
    return tuple(
        Quantity(
            key,
            title,
            unit if key in DISTANCES else "",
            rising=key not in DISTANCES,
            digits=2 if key in DISTANCES else 3,
        )
        for key, title in _TITLES.items()
    )


def short(value: float) -> str:
    """Three significant digits without an exponent; above 1000 all digits before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(9, max(0, digits))}f}"


def cost_of(record: Record, key: str) -> float | None:
    """One cost as a record tells it; None where it does not, or tells no positive number."""
    source: Any = record.training if key == SECONDS else record.costs
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None
