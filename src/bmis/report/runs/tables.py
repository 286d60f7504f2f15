"""The tables on the page of a run: scores by class, confusion, balance of the data, recipe."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bmis.data.splits import SPLITS
from bmis.report.quantities import Quantity, metrics
from bmis.report.results import plain
from bmis.report.runs.read import Run
from bmis.report.runs.scored import ScoredImages
from bmis.report.tables import Table
from bmis.report.values import Value

_ORDER = ("dice", "iou", "sensitivity", "precision", "specificity", "hd95", "assd", "nsd")
_NOT_DEFINED = Value("–", mark="absent")


@dataclass(frozen=True)
class Confusion:
    """Which class was taken for which.

    Attributes:
        classes: Names of the classes.
        rows: For each true class its pixels and the share of them given to each class; no shares
            where there are no pixels.

    Example:
        >>> Confusion(("background", "polyp"), ((90, (0.9, 0.1)), (0, ()))).rows[0][0]
        90
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[int, tuple[float, ...]], ...]


def class_table(scored: ScoredImages) -> Table:
    """Scores by class, and the mean over the images where there are several classes.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> table = class_table(read_scored(evaluate_model("run", out="scores").out))
        >>> table.names, table.headings[:3]
        (['polyp'], ['Class', 'Dice', 'IoU'])
    """
    known = {quantity.key: quantity for quantity in metrics(scored.unit)}
    names = list(scored.classes[1:])
    rows = [scored.summary["classes"][name] for name in names]
    counts = [scored.summary["class_states"][name] for name in names]
    if len(names) > 1:
        names, rows = [*names, "mean over images"], [*rows, scored.summary["cases"]]
        counts.append(scored.summary["outcomes"])
    columns = {known[k].heading: [_score(row[k], known[k]) for row in rows] for k in _ORDER}
    columns |= {
        "Images that show it": [_count(row["present"] + row["missed"]) for row in counts],
        "of these missed": [_count(row["missed"]) for row in counts],
        "Found where there is none": [_count(row["false_alarm"]) for row in counts],
    }
    caption = f"{scored.title}: mean over images ± standard deviation [95 % interval of the mean]"
    return Table(caption, names, columns, first="Class")


def _score(entry: Mapping[str, Any], quantity: Quantity) -> Value:
    if entry["mean"] is None:
        return _NOT_DEFINED
    spread = [] if entry["std"] is None else [f"±{quantity.show(entry['std'])}"]
    if entry["ci95"]:
        spread.append("[{}, {}]".format(*map(quantity.show, entry["ci95"])))
    return Value(quantity.show(entry["mean"]), entry["mean"], tuple(spread))


def _count(number: int) -> Value:
    return Value(f"{number}", number)


def confusion_of(scored: ScoredImages) -> Confusion | None:
    """Which class was taken for which, in pixels of all images; None for two classes.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> confusion_of(read_scored(evaluate_model("run", out="scores").out)) is None
        True
    """
    counts = scored.about.get("confusion") or ()
    if len(counts) < 3:
        return None
    rows = []
    for row in counts:
        total = sum(row)
        rows.append((total, tuple(count / total for count in row) if total else ()))
    return Confusion(scored.classes, tuple(rows))


def balance_table(run: Run) -> Table | None:
    """How many images, groups and pixels of each class each split has; None where unknown.

    Pixels of a split that the training does not read are known once it is scored.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> table = balance_table(read_run("run"))
        >>> table.names, [column[0].text for column in table.columns.values()][:2]
        (['images', 'polyp'], ['9', ''])
    """
    data = run.facts.get("data", {})
    splits = data.get("splits", {})
    there = [split for split in SPLITS if split in splits]
    if not there:
        return None
    grouped = any(splits[split].get("groups") for split in there)
    classes = list(map(plain, data["classes"]))
    columns: dict[str, list[Value]] = {}
    for split in there:
        known = splits[split]
        showing, pixels = known.get("showing"), known.get("pixels") or _scored_pixels(run, split)
        top = [_count(known["images"])] + ([_count(known["groups"])] if grouped else [])
        columns[f"{split}: images"] = [*top, *_images(showing, classes)]
        columns[f"{split}: pixels"] = [Value("")] * len(top) + list(_shares(pixels, classes))
    caption = "Images of each split; images that show a class and its share of the pixels"
    names = ["images", *(["groups"] if grouped else []), *classes[1:]]
    return Table(caption, names, columns, first="")


def _images(showing: Any, classes: list[str]) -> list[Value]:
    if not showing:
        return [_NOT_DEFINED for _ in classes[1:]]
    return [_count(count) for count in showing[1:]]


def _shares(pixels: Any, classes: list[str]) -> Iterator[Value]:
    total = sum(pixels) if pixels else 0
    for index in range(1, len(classes)):
        share = pixels[index] / total if total else 0.0
        yield (
            Value(f"{100 * share:.3g} %", share)
            if total
            else Value("not scored yet", mark="absent")
        )


def _scored_pixels(run: Run, split: str) -> list[int]:
    """Pixels by class of a split that was scored."""
    for scored in run.scored:
        if scored.split == split and scored.about.get("confusion"):
            return [sum(row) for row in scored.about["confusion"]]
    return []


def recipe_table(run: Run) -> Table | None:
    """All settings of the recipe beside those of the default one, changed ones in bold.

    Example:
        >>> from bmis.report.runs.read import read_run
        >>> table = recipe_table(read_run("run"))
        >>> table.names[:2], table.columns["Value"][0].text
        (['loss', 'optimizer'], 'ce_dice')
    """
    ours, default = (dict(leaves(recipe)) for recipe in (run.recipe, run.facts.get("default", {})))
    if not ours:
        return None
    columns = {"Value": [Value(shown(value), mark=_mark(default, name, value))
                         for name, value in ours.items()]}  # fmt: skip
    if default:
        columns["Default"] = [Value(shown(default.get(name))) for name in ours]
    name = plain(run.settings.get("recipe"))
    changed = sum(value.mark == "best" for value in columns["Value"])
    caption = f"Recipe {name}" + (f"; {changed} in bold differ from the default" if changed else "")
    return Table(caption, list(ours), columns, first="Setting")


def _mark(default: Mapping[str, Any], name: str, value: Any) -> str:
    return "best" if default and default.get(name) != value else ""


def leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of settings, those inside of others with both names.

    Example:
        >>> list(leaves({"loss": "ce_dice", "augmentation": {"flip": 0.5}}))
        [('loss', 'ce_dice'), ('augmentation.flip', 0.5)]
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{before}{plain(name)}.")
        else:
            yield f"{before}{plain(name)}", value


def shown(value: Any) -> str:
    """A setting as people write it.

    Example:
        >>> shown([0.75, 1.33]), shown(True), shown(None), shown(0.002)
        ('0.75, 1.33', 'yes', '–', '0.002')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "–"
    return f"{value:g}" if isinstance(value, float) else plain(value)
