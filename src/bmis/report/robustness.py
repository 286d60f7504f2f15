"""The page of what a network loses on images from elsewhere: ``robustness.html``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bmis.errors import one_line_about
from bmis.report.page import render_template
from bmis.report.tables import Table
from bmis.report.values import Value
from bmis.system.files import write_text

PAGE = "robustness.html"
_LEAST_REACH = 0.05  # of Dice, that the bars' axis shows to the left; small losses stay small
_MARGIN = 0.01  # of Dice


@dataclass(frozen=True)
class Bar:
    """One perturbation as a bar from no change to its change of Dice, in percent of the axis.

    Attributes:
        name: What was done to the images.
        left: Where the bar begins.
        width: How long it is.
        low: Where its interval begins; None without one.
        high: Where its interval ends.
        text: The change in digits.
        lost: Share of the images that lose much, in words.
        harms: Whether the whole interval lies below no change.

    Example:
        >>> Bar("grey", 40, 10, 38, 55, "-0.010 [-0.020, +0.003]", "2 %", False).harms
        False
    """

    name: str
    left: float
    width: float
    low: float | None
    high: float | None
    text: str
    lost: str
    harms: bool


def write_robustness_page(folder: Path | str) -> Path:
    """Write the page of the ``robustness.json`` in a folder.

    Raises:
        DataError: There is no such file, it is damaged, or the page cannot be written.
        MissingExtraError: jinja2 is not installed.

    Example:
        >>> import bmis
        >>> found = bmis.measure_robustness("run", data="polyps", out="scores")
        >>> page = write_robustness_page(found.out)
        >>> page.name, "<h1>bmis on changed images" in page.read_text()
        ('robustness.html', True)
    """
    source, target = Path(folder) / "robustness.json", Path(folder) / PAGE
    with one_line_about(source, fix="measure it again with bmis evaluate --robustness"):
        text = _render(json.loads(source.read_text(encoding="utf-8")))
    write_text(target, text)
    return target


def _render(found: Mapping[str, Any]) -> str:
    changes = sorted(found["perturbations"], key=lambda one: one["change"])
    shown, data = _worst_of_each_kind(changes), Path(found["data"]).name
    return render_template(
        "robustness.html.jinja",
        title=f"{found['model']} on changed images of {data}",
        lead=f"Dice {found['clean_dice']:.3f} on {found['images']} images of the split "
        f"{found['split']} as they are. The worst of {len(changes)} changes: {shown[0]['name']}, "
        f"{shown[0]['change']:+.3f}.",
        warnings=[f"{one['file']}: {one['why']}" for one in found["failed"]],
        bars=draw_bars(shown),
        zero=_axis(shown)[1],
        table=_table(changes),
    )


def _worst_of_each_kind(changes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first of each kind."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in changes:
        found.setdefault(one["kind"], one)
    return list(found.values())


def _axis(changes: Sequence[Mapping[str, Any]]) -> tuple[float, float, float]:
    """Its left end in Dice, where no change lies in percent, and percent for each unit of Dice."""
    ends = [end for one in changes for end in (one["change"], *(one["ci95"] or ()))]
    left = min(-_LEAST_REACH, *ends) - _MARGIN
    right = max(0.0, *ends) + _MARGIN
    scale = 100 / (right - left)
    return left, -left * scale, scale


def draw_bars(changes: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The bars of some perturbations, as ``robustness.json`` has them, on one axis.

    Example:
        >>> grey = {"name": "grey", "change": -0.03, "ci95": [-0.04, -0.02], "lost": 0.5}
        >>> (bar,) = draw_bars([grey])
        >>> round(bar.left + bar.width), bar.lost, bar.harms
        (86, '50 %', True)
    """
    left, zero, scale = _axis(changes)
    bars = []
    for one in changes:
        ends, change = one["ci95"], (one["change"] - left) * scale
        low, high = [(end - left) * scale for end in ends] if ends else (None, None)
        interval = f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ""
        bars.append(
            Bar(
                one["name"],
                min(change, zero),
                abs(change - zero),
                low,
                high,
                f"{one['change']:+.3f}{interval}",
                f"{100 * one['lost']:.0f} %",
                bool(ends and ends[1] < 0),
            )
        )
    return bars


def _table(changes: Sequence[Mapping[str, Any]]) -> Table:
    bars = draw_bars(changes)
    return Table(
        "All changes, the worst first",
        [bar.name for bar in bars],
        {
            "Change of Dice [95 %]": [
                Value(bar.text, one["change"]) for bar, one in zip(bars, changes, strict=True)
            ],
            "Lose more than 0.1": [
                Value(bar.lost, one["lost"]) for bar, one in zip(bars, changes, strict=True)
            ],
        },
        first="What was done to the images",
    )
