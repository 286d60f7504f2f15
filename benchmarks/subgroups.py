"""Scores of parts of the test images: by size of the object, and by skin tone where there is skin.

``ship.py`` writes them into the model cards and into ``results/shipped/<name>.json``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab

from bmis.data.cases import Dataset, load_case
from bmis.metrics import student_interval

# Individual typology angle in degrees: lighter skin has the larger one (Chardon et al. 1991).
SKIN = {"light (ITA over 41)": 41.0, "intermediate (28 to 41)": 28.0, "darker (below 28)": -90.0}
_DARKEST = 20.0  # L* below which pixels are corners, hair or ink

Group = dict[str, Any]


def scores_by_group(dataset: Dataset, dice: Mapping[str, float], *, skin: bool) -> list[Group]:
    """Mean Dice of the thirds of the test images by size of the object, and by skin tone."""
    sizes, tones = {}, {}
    for case in dataset.split("test"):
        image, labels = load_case(case, dataset)
        sizes[case.id] = float(np.mean(labels > 0))
        if skin:
            tones[case.id] = typology_angle(image.pixels, labels)
    edges = np.quantile(list(sizes.values()), [1 / 3, 2 / 3])
    thirds: dict[str, list[float]] = {}
    for case_id, size in sizes.items():
        name = ("smallest", "middle", "largest")[int(np.searchsorted(edges, size))]
        thirds.setdefault(name, []).append(dice[case_id])
    groups = [
        _group(f"{name} third by size ({text})", thirds[name])
        for name, text in (
            ("smallest", f"up to {100 * edges[0]:.1f} % of the image"),
            ("middle", f"up to {100 * edges[1]:.1f} %"),
            ("largest", "more"),
        )
    ]
    for name, values in _by_tone(tones, dice).items():
        groups.append(_group(f"skin: {name}", values))
    return groups


def _by_tone(tones: Mapping[str, float], dice: Mapping[str, float]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for case_id, angle in tones.items():
        name = next(name for name, least in SKIN.items() if angle >= least)
        found.setdefault(name, []).append(dice[case_id])
    return {name: found[name] for name in SKIN if name in found}


def typology_angle(pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """The individual typology angle of the skin around a lesion, in degrees."""
    lab = rgb2lab(pixels[::4, ::4])
    around = (labels[::4, ::4] == 0) & (lab[..., 0] > _DARKEST)
    if not around.any():
        return 90.0
    light, _, yellow = np.median(lab[around], axis=0)
    return float(np.degrees(np.arctan2(light - 50, yellow)))


def _group(name: str, values: list[float]) -> Group:
    return {
        "group": name,
        "images": len(values),
        "dice": float(np.mean(values)),
        "ci95": student_interval(np.array(values)),
    }
