"""The images of a run from worst to best: truth, mask and difference, each as a small picture."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bmis.data.cases import Dataset
from bmis.data.drawing import draw_differences, overlay
from bmis.data.mask_text import read_mask_text
from bmis.errors import BmisError
from bmis.metrics import DISTANCES
from bmis.report.pictures import (
    Labels,
    Scene,
    Tile,
    find_dataset,
    load_scenes,
    resize_scene,
    to_jpeg,
    to_png,
)
from bmis.report.results import plain
from bmis.report.runs.scored import ScoredCase, ScoredImages

WORST, MIDDLE, BEST = 12, 4, 4  # images that are drawn
SIDE = 224  # pixels of the longer side of a picture


@dataclass(frozen=True)
class CaseCard:
    """One image with its pictures.

    Attributes:
        name: Its id.
        scores: Its scores in words.
        tiles: Its pictures; none where they cannot or shall not be drawn.

    Example:
        >>> CaseCard("polyp_07", "Dice 0.812", ()).name
        'polyp_07'
    """

    name: str
    scores: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class CaseGroup:
    """Some images of about the same quality.

    Attributes:
        title: Heading.
        cards: The images, worst first.

    Example:
        >>> CaseGroup("Worst", ()).cards
        ()
    """

    title: str
    cards: tuple[CaseCard, ...]


def choose_cases(order: Sequence[str]) -> dict[str, list[str]]:
    """Choose the images to show: the worst, some of the middle and the best; all of a few.

    Args:
        order: The ids, worst first.

    Returns:
        Ids by heading.

    Example:
        >>> {title: len(ids) for title, ids in choose_cases([str(n) for n in range(90)]).items()}
        {'The 12 worst': 12, '4 of the middle': 4, 'The 4 best': 4}
        >>> choose_cases(["b", "a"])
        {'All, worst first': ['b', 'a']}
    """
    if len(order) <= WORST + MIDDLE + BEST:
        return {"All, worst first": list(order)}
    start = max(WORST, min(len(order) // 2 - MIDDLE // 2, len(order) - BEST - MIDDLE))
    return {
        f"The {WORST} worst": list(order[:WORST]),
        f"{MIDDLE} of the middle": list(order[start : start + MIDDLE]),
        f"The {BEST} best": list(order[-BEST:]),
    }


def draw_case_groups(
    scored: ScoredImages, known: dict[str, Dataset], *, pictures: bool
) -> tuple[list[CaseGroup], list[str]]:
    """Draw the chosen images of a split.

    Args:
        scored: Their scores and masks.
        known: Data sets by their folders; that of the scores is added where it is not there.
        pictures: Whether to draw anything; without, cards hold scores alone.

    Returns:
        The groups, and sentences about what could not be drawn.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> scored = read_scored(evaluate_model("run", out="scores").out)
        >>> (group,), notes = draw_case_groups(scored, {}, pictures=True)
        >>> [tile.caption for tile in group.cards[0].tiles], notes
        (['truth', 'mask', 'difference'], [])
    """
    groups = choose_cases(scored.worst_first())
    chosen = [case for ids in groups.values() for case in ids]
    scenes: Mapping[str, Scene] = {}
    notes: list[str] = []
    if pictures:
        scenes, notes = find_scenes(scored, known, chosen)
    drawn = [
        CaseGroup(title, tuple(_cards(scored, ids, scenes, pictures, notes)))
        for title, ids in groups.items()
    ]
    return drawn, list(dict.fromkeys(notes))


def find_scenes(
    scored: ScoredImages, known: dict[str, Dataset], chosen: Sequence[str]
) -> tuple[dict[str, Scene], list[str]]:
    """Images and truths of some scored cases, and sentences about what was not found.

    Args:
        scored: Where the images came from.
        known: As for ``draw_case_groups``.
        chosen: The ids.

    Example:
        >>> from bmis import evaluate_model
        >>> from bmis.report.runs.scored import read_scored
        >>> scored = read_scored(evaluate_model("run", out="scores").out)
        >>> scenes, notes = find_scenes(scored, {}, list(scored.cases))
        >>> len(scenes), notes
        (2, [])
    """
    path = plain(scored.about.get("data"))
    try:
        if path not in known:
            known[path] = find_dataset(path, scored.classes)
    except (BmisError, OSError, TypeError, ValueError) as error:
        return {}, [f"The masks are drawn alone, since the images were not found: {error}."]
    return load_scenes(known[path], chosen)


def _cards(
    scored: ScoredImages,
    ids: Sequence[str],
    scenes: Mapping[str, Scene],
    pictures: bool,
    notes: list[str],
) -> Iterator[CaseCard]:
    for case in ids:
        tiles: tuple[Tile, ...] = ()
        if pictures and case in scored.masks:
            try:
                tiles = tuple(case_tiles(read_mask_text(scored.masks[case]), scenes.get(case)))
            except BmisError as error:
                notes.append(f"{plain(case)} is not drawn: {error}.")
        yield CaseCard(plain(case), scores_in_words(scored.cases[case], scored.unit), tiles)


def case_tiles(labels: Labels, scene: Scene | None) -> Iterator[Tile]:
    """The pictures of one image.

    Args:
        labels: Its predicted mask (h, w), small.
        scene: The image and its truth at their own size; None draws the mask alone.

    Example:
        >>> import numpy as np
        >>> [tile.caption for tile in case_tiles(np.zeros((24, 32), np.uint8), None)]
        ['mask']
    """
    if scene is None:
        yield Tile("mask", "", to_png(labels, SIDE))
        return
    pixels, truth = resize_scene(scene, labels.shape)
    yield Tile("truth", "", to_jpeg(overlay(pixels, truth, alpha=0, width=2), SIDE))
    yield Tile("mask", "", to_jpeg(overlay(pixels, labels, alpha=0, width=2), SIDE))
    yield Tile("difference", "", to_jpeg(draw_differences(pixels, labels, truth), SIDE))


def scores_in_words(case: ScoredCase, unit: str) -> str:
    """The scores of an image as they stand under its pictures.

    Args:
        case: The scores.
        unit: Unit of distances.

    Example:
        >>> scores_in_words(ScoredCase({"dice": 0.8, "iou": 0.667, "hd95": 12.3}, "present"), "px")
        'Dice 0.800 · IoU 0.667 · HD95 12.3 px'
        >>> scores_in_words(ScoredCase({"dice": 0.0, "iou": 0.0, "hd95": 90.0}, "missed"), "px")
        'Dice 0.000 · IoU 0.000 · missed'
    """
    words = []
    for metric, title in (("dice", "Dice"), ("iou", "IoU"), ("hd95", "HD95")):
        value = case.values.get(metric)
        # of a mask that is empty where the truth is not the distance is a convention
        if value is not None and (metric not in DISTANCES or case.outcome == "present"):
            words.append(f"{title} {value:.3f}" if metric not in DISTANCES else
                         f"{title} {value:.1f} {unit}")  # fmt: skip
    if case.outcome != "present":
        words.append(case.outcome.replace("_", " "))
    return " · ".join(words)
