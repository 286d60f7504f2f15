"""What is reported of a method: its scores and its costs, and how they are named and shown."""

import math
from dataclasses import dataclass
from typing import Any

from bmis.metrics import DISTANCES
from bmis.records import Record
from bmis.wording import short


@dataclass(frozen=True)
class Quantity:
    """One column of the tables.

    Attributes:
        key: Its name in records and CSV files.
        title: Its name for people.
        unit: Shown behind the title; "" where it has none.
        rising: Whether more is better.
        scale: What a value is divided by before it is shown; CSV files hold it undivided.
        digits: Number of decimals; None gives three significant digits.

    Example:
        >>> macs = Quantity("macs", "MACs", "G", scale=1e9)
        >>> macs.heading, macs.show(1_557_000_000)
        ('MACs (G)', '1.56')
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
QUALITY = "iou"  # what methods are ranked, tested and plotted by
SECONDS = Quantity("seconds_per_epoch", "Training", "s/epoch")  # grows with the number of images
COSTS = (
    Quantity("parameters", "Parameters", "M", scale=1e6),
    Quantity("macs", "MACs", "G", scale=1e9),
    SECONDS,
    Quantity("training_mb", "Training memory", "MB"),
    Quantity("inference_mb", "Inference memory", "MB"),
    Quantity("latency_p50_ms", "Latency p50", "ms"),
    Quantity("latency_p95_ms", "Latency p95", "ms"),
    Quantity("images_per_second", "Throughput", "images/s", rising=True),
)
PLOTTED = tuple(
    quantity
    for quantity in COSTS
    if quantity.key in {"parameters", "macs", SECONDS.key, "inference_mb", "latency_p50_ms"}
)
SCORE = Quantity("quality_cost_score", "Quality-cost score", rising=True)


def metrics(unit: str) -> tuple[Quantity, ...]:
    """The scores, with distances in ``unit``.

    Example:
        >>> [quantity.heading for quantity in metrics("mm")][-3:]
        ['HD95 (mm)', 'ASSD (mm)', 'NSD']
    """
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


def cost_of(record: Record, key: str) -> float | None:
    """One cost of a record; None where the record holds no positive number for it.

    Example:
        >>> from bmis.records import Conditions, Trial
        >>> failed = Record(Trial("polyps", "unet"), Conditions(), "failed", costs={"macs": 1e9})
        >>> cost_of(failed, "macs"), cost_of(failed, "parameters")
        (1000000000.0, None)
    """
    source: Any = record.training if key == SECONDS.key else record.costs
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None
