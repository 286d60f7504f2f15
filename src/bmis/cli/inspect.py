"""How the answer of the command ``inspect`` is printed."""

from collections import defaultdict
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from bmis.inspect.dataset import Inspection

_PAIRS, _PROBLEMS = 12, 50  # lines of each on the terminal; the record holds them all


def render(inspection: Inspection) -> RenderableType:
    """The inspection as tables for a terminal; long lists are cut, the record holds them all."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(inspection):
        facts.add_row(f"[bold]{name}[/]", escape(value))
    parts: list[RenderableType] = [facts, "", _class_table(inspection)]
    crossing = sum(pair.crosses_splits for pair in inspection.duplicates)
    if inspection.duplicates:
        table = Table("images", "splits", "likeness", title_justify="left")
        table.title = (
            f"pairs that look the same: {len(inspection.duplicates)}; across splits: {crossing}"
        )
        for pair in inspection.duplicates[:_PAIRS]:
            kind = "same pixels" if pair.same_pixels else f"{pair.similarity:.3f}"
            kind += ", masks differ" if pair.masks_differ else ""
            style = "yellow" if pair.crosses_splits else None
            sides = " / ".join(split or "none" for split in pair.splits)
            table.add_row(escape(" / ".join(pair.ids)), sides, kind, style=style)
        parts += ["", table, *_rest(len(inspection.duplicates) - _PAIRS)]
    if inspection.problems:
        table = Table("file", "problem", title_justify="left")
        table.title = f"problems: {len(inspection.problems)}"
        for problem in inspection.problems[:_PROBLEMS]:
            file = _below(problem.path, inspection.root)
            table.add_row(escape(file), escape(problem.message), style="red")
        parts += ["", table, *_rest(len(inspection.problems) - _PROBLEMS)]
    else:
        parts += ["", "[green]No problems found.[/]"]
    return Group(*parts)


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    sizes = " .. ".join(dict.fromkeys(f"{height} x {width}" for height, width in inspection.sizes))
    splits = ", ".join(f"{name} {count}" for name, count in inspection.splits.items())
    facts = [
        ("data set", f"{inspection.name} ({inspection.root})"),
        ("images", f"{inspection.images} ({splits})"),
        ("sizes", f"{sizes} (height x width), {inspection.distinct_sizes} different"),
        ("channels", "1, grey" if inspection.channels == 1 else "3, colour"),
    ]
    if inspection.strata:
        counts = (f"{name} {count}" for name, count in inspection.strata.items())
        facts.append(("strata", ", ".join(counts)))
    if inspection.fields_of_view:
        facts.append(
            ("fields of view", f"{inspection.fields_of_view} of {inspection.images} images")
        )
    for name in ("modality", "licence", "spacing"):
        if value := getattr(inspection, name):
            facts.append((name, str(value)))
    if inspection.contact_sheet:
        facts.append(("pictures", str(inspection.contact_sheet)))
    return facts


def _class_table(inspection: Inspection) -> Table:
    """Images and mean share of the pixels per class, a column for each split."""
    splits = list(dict.fromkeys(count.split for count in inspection.classes))
    table = Table("class", *splits, title="images that show it, mean share of the pixels")
    rows: dict[str, list[str]] = defaultdict(list)
    for count in inspection.classes:
        rows[count.name].append(f"{count.images}, {100 * count.share:.3g} %")
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    return table


def _rest(count: int) -> list[RenderableType]:
    return [f"... and {count} more; --out DIR lists them all"] if count > 0 else []


def _below(path: str, root: Path) -> str:
    """The path as seen from the data set, for short tables."""
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
