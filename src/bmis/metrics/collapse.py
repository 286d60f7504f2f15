"""Networks that answer the same whatever they are shown: nothing, or everything."""

from collections.abc import Mapping
from typing import Any


def collapsed_classes(summary: Mapping[str, Any]) -> dict[str, str]:
    """The classes that a network finds nowhere or everywhere, over all images of a summary.

    The mean, deviation and interval of such a class describe the images and not the network.

    Args:
        summary: What ``summarise_cases`` gives, or what an untrusted record holds in its place.

    Returns:
        By the name of the class: "nothing" where no pixel of any image was given to it although
        some show it, or "everything" where all pixels of all images were.

    Example:
        >>> import numpy as np
        >>> from bmis.metrics import score_case, summarise_cases
        >>> truth = np.array([[0, 1, 1]])
        >>> scores = [score_case(np.ones_like(truth), truth, 2)] * 3
        >>> collapsed_classes(summarise_cases(scores, ["background", "polyp"]))
        {'polyp': 'everything'}
    """
    states, classes = (_mapping(summary, name) for name in ("class_states", "classes"))
    answers = {name: _answer(_mapping(states, name), _mapping(classes, name)) for name in states}
    return {name: answer for name, answer in answers.items() if answer}


def describe_collapse(summary: Mapping[str, Any]) -> str:
    """The collapsed classes of a summary in a few words; "" if there are none.

    Example:
        >>> states = {"polyp": {"present": 0, "missed": 2, "false_alarm": 0, "absent": 0}}
        >>> describe_collapse({"class_states": states, "classes": {}})
        'collapsed: it finds no polyp in any image'
    """
    found = collapsed_classes(summary)
    words = {
        "nothing": "finds no {} in any image",
        "everything": "marks every pixel of every image as {}",
    }
    texts = (words[answer].format(name) for name, answer in found.items())
    return f"collapsed: it {' and '.join(texts)}" if found else ""


def _mapping(values: Any, key: str) -> Mapping[str, Any]:
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, dict) else {}


def _answer(states: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    if states.get("missed") and not (states.get("present") or states.get("false_alarm")):
        return "nothing"
    specificity = _mapping(scores, "specificity").get("mean")
    sensitivity = _mapping(scores, "sensitivity").get("mean")
    # means of 0 and of 1 are those of values that all are; no sensitivity where nothing was there
    if specificity == 0 and sensitivity in (1, None):
        return "everything"
    return ""
