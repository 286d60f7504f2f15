"""Several runs on the images that all of them were scored on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmis.data.cases import Dataset
from bmis.data.drawing import overlay
from bmis.data.mask_text import read_mask_text
from bmis.errors import BmisError, require
from bmis.metrics import highest_value, summarise
from bmis.report.pictures import Labels, Scene, Tile, resize_scene, to_jpeg, to_png
from bmis.report.quantities import QUALITY, Quantity, metrics
from bmis.report.results import plain
from bmis.report.runs.cases import SIDE, find_scenes
from bmis.report.runs.scored import ScoredImages
from bmis.report.statistics import ALPHA, compare_pairs
from bmis.report.tables import Table
from bmis.report.values import Value, mark_best
from bmis.wording import counted

if TYPE_CHECKING:
    from pandas import DataFrame

_SPLITS = ("test", "all", "val", "train")  # the first that all runs have
_SHOWN = ("dice", "iou", "sensitivity", "precision", "hd95", "nsd")
_WORST = 8  # images that are drawn


@dataclass(frozen=True)
class SharedImages:
    """The images that all runs were scored on.

    Attributes:
        names: Names of the runs.
        scored: The scores of each run.
        ids: The images that all have.

    Example:
        >>> SharedImages((), (), ()).ids
        ()
    """

    names: tuple[str, ...]
    scored: tuple[ScoredImages, ...]
    ids: tuple[str, ...]

    def values(self, metric: str, number: int) -> list[float | None]:
        """One metric of one run on the images."""
        return [self.scored[number].cases[case].values[metric] for case in self.ids]

    @property
    def caption(self) -> str:
        """What the images are."""
        few = max(len(scored.cases) for scored in self.scored) - len(self.ids)
        left = f" ({counted(few, 'image')} that not all have left out)" if few else ""
        return f"{self.scored[0].title}: {counted(len(self.ids), 'image')} of all runs{left}"


def find_shared(
    names: Sequence[str], every: Sequence[Sequence[ScoredImages]]
) -> SharedImages | None:
    """Find the images of one data set and split that all runs were scored on.

    Args:
        names: Names of the runs.
        every: What of each run was scored.

    Returns:
        None where there is no such image: other data, another split, or not scored.

    Example:
        >>> find_shared(["one", "other"], [[], []]) is None
        True
    """
    for split in _SPLITS:
        mine = [next((s for s in scored if s.split == split), None) for scored in every]
        found = [scored for scored in mine if scored is not None]
        if len(found) < len(names):
            continue
        same = {(plain(s.about.get("data")), s.classes) for s in found}
        ids = [case for case in found[0].cases if all(case in s.cases for s in found)]
        if len(same) == 1 and ids:
            return SharedImages(tuple(names), tuple(found), tuple(ids))
    return None


def shared_table(shared: SharedImages) -> Table:
    """The scores of all runs on the images that they share, best ones marked.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> scored = read_scored(evaluate_model("run", out="scores").out)
        >>> shared_table(find_shared(["a", "b"], [[scored], [scored]])).names
        ['a', 'b']
    """
    known = {quantity.key: quantity for quantity in metrics(shared.scored[0].unit)}
    runs = range(len(shared.names))
    columns = {
        known[key].heading: mark_best(
            [_mean(shared.values(key, number), known[key]) for number in runs],
            known[key],
            [True for _ in runs],
        )
        for key in _SHOWN
    }
    caption = f"{shared.caption}; mean ± standard deviation [95 % interval of the mean]"
    return Table(caption, list(shared.names), columns, first="Run")


def _mean(values: Sequence[float | None], quantity: Quantity) -> Value:
    summary = summarise(values, highest=highest_value(quantity.key))
    if summary.mean is None:
        return Value("–", mark="absent")
    spread = [] if summary.std is None else [f"±{quantity.show(summary.std)}"]
    if summary.ci95:
        spread.append("[{}, {}]".format(*map(quantity.show, summary.ci95)))
    return Value(quantity.show(summary.mean), summary.mean, tuple(spread))


def pair_table(shared: SharedImages) -> Table:
    """The paired tests of all pairs of runs by IoU, Holm-corrected.

    Raises:
        MissingExtraError: scipy or pandas is not installed.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> scored = read_scored(evaluate_model("run", out="scores").out)
        >>> table = pair_table(find_shared(["a", "b"], [[scored], [scored]]))
        >>> table.names, table.columns["Better"][0].text
        (['a − b'], 'neither shown')
    """
    pairs = compare_pairs(_quality(shared))
    columns = {
        "Mean difference": [Value(f"{d:+.4f}", d) for d in pairs["mean_difference"]],
        "p": [Value(f"{p:.3g}", p) for p in pairs["p"]],
        "p, Holm": [Value(f"{p:.3g}", p) for p in pairs["p_holm"]],
        "Better": [
            Value(better or ("ranks disagree" if p < ALPHA else "neither shown"))
            for better, p in zip(pairs["better"], pairs["p_holm"], strict=True)
        ],
    }
    caption = f"IoU of {counted(len(shared.ids), 'shared image')}, first minus second"
    names = [f"{a} − {b}" for a, b in zip(pairs["first"], pairs["second"], strict=True)]
    return Table(caption, names, columns, first="Pair")


def _quality(shared: SharedImages) -> "DataFrame":
    columns = {name: shared.values(QUALITY, n) for n, name in enumerate(shared.names)}
    frame = require("pandas", extra="train").DataFrame(columns, index=list(shared.ids))
    return frame.astype("float64")  # type: ignore[no-any-return]


def draw_shared(shared: SharedImages) -> tuple[dict[str, list[Tile]], list[str]]:
    """Draw the images that are worst over all runs, the masks of the runs side by side.

    Returns:
        Tiles by id, the worst first, and sentences about what could not be drawn.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> scored = read_scored(evaluate_model("run", out="scores").out)
        >>> cases, notes = draw_shared(find_shared(["a", "b"], [[scored], [scored]]))
        >>> [tile.caption for tile in next(iter(cases.values()))], notes
        (['image', 'a', 'b'], [])
    """

    def mean(case: str) -> float:
        return sum(scored.cases[case].values["dice"] or 0.0 for scored in shared.scored)

    known: dict[str, Dataset] = {}
    chosen = sorted(shared.ids, key=lambda case: (mean(case), case))[:_WORST]
    scenes, notes = find_scenes(shared.scored[0], known, chosen)
    drawn = {}
    for case in chosen:
        try:
            drawn[plain(case)] = _row(shared, case, scenes.get(case))
        except BmisError as error:
            notes.append(f"{plain(case)} is not drawn: {error}.")
    return drawn, list(dict.fromkeys(notes))


def _row(shared: SharedImages, case: str, scene: Scene | None) -> list[Tile]:
    tiles = []
    for name, scored in zip(shared.names, shared.scored, strict=True):
        if case not in scored.masks:
            continue
        labels: Labels = read_mask_text(scored.masks[case])
        dice = scored.cases[case].values["dice"]
        detail = "" if dice is None else f"Dice {dice:.3f}"
        if scene is None:
            tiles.append(Tile(name, detail, to_png(labels, SIDE)))
            continue
        pixels, truth = resize_scene(scene, labels.shape)
        if not tiles:
            tiles.append(Tile("image", "", to_jpeg(overlay(pixels, 0 * labels), SIDE)))
        tiles.append(Tile(name, detail, to_jpeg(overlay(pixels, labels, truth=truth), SIDE)))
    return tiles
