"""The page on `bmis fit`: what it finds within budgets, after kills, and on another processor."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fit_budgets import OVER
from fit_budgets import RESULT as BUDGETS

from pages.layout import Section, machine, page
from pages.records import DATASETS, RESULTS, read_if_there

FULL = 2.0  # hours that a search is meant to have
KILLS, BOARDS = RESULTS / "fit_kills.json", RESULTS / "aarch64.json"
Fits = dict[str, dict[str, Any]]


def render() -> str:
    """``docs/results/fit.md``."""
    return page(
        "What `bmis fit` finds",
        "Searches [within a budget](../how-to/fit.md), kills at random moments, and the device "
        "side on a processor that is not this one. How well times are predicted is on the "
        "[speed page](speed.md).",
        [*budgets(), *kills(), *boards()],
    )


def budgets() -> Iterator[Section]:
    """One section for each length of the search that is on record."""
    found = read_if_there(BUDGETS) or {}
    by_hours = defaultdict[float, Fits](dict)
    for key, fit in found.get("fits", {}).items():
        by_hours[fit["hours"]][key] = fit
    for hours in sorted(by_hours, reverse=True):
        yield searches(hours, by_hours[hours])


def searches(hours: float, fits: Fits) -> Section:
    """The fits that had so many hours."""
    done = [fit for fit in fits.values() if "winner" in fit]
    within = sum(fit["within"] for fit in done)
    first = next(iter(fits.values()))
    workers = first["workers"]
    return Section(
        f"Searches of {duration(hours)}: {within} of {len(fits)} ended within their budget",
        f"{how_short(hours, done)} Each winner was timed anew in a fresh process and may take "
        f"{100 * OVER - 100:.0f} % more than its budget. Beside it stands the best network on "
        "record for these images that is within the budget, as far as it was trained.",
        [
            "data",
            ">ms",
            "winner, engine",
            ">ms anew",
            ">MB",
            ">test IoU",
            ">trials, networks",
            ">epochs, search and end",
            "best on record",
            ">its IoU",
        ],
        [row_of(key, fit) for key, fit in fits.items()],
        f"python benchmarks/fit_budgets.py FOLDER --data NAME=PATH ... --hours {hours:g}",
        f"{machine(first['machine'])}, {workers} worker{'s' * (workers > 1)}",
        BUDGETS.name,
        [
            "Epochs: of the winner's longest trial in the search, and of its last training. The "
            "networks on record had the sizes and epochs that are named. The best of them is the "
            "one with the highest IoU of the test images, which favours it."
        ],
    )


def duration(hours: float) -> str:
    """Hours, or minutes where these are fewer than one hour."""
    return f"{60 * hours:.0f} minutes" if hours < 1 else f"{hours:g} hours"


def how_short(hours: float, done: list[dict[str, Any]]) -> str:
    """What a search of these hours can say."""
    if not done:
        return "No search came to an end."
    epochs = sorted(searched(fit) for fit in done)
    span = " to ".join(dict.fromkeys(map(str, (epochs[0], epochs[-1]))))
    said = f"In the search the winners had {span} epochs."
    if hours >= FULL:
        return said
    return (
        f"**These searches were short**: {duration(hours)} for measuring, search, last training "
        f"and export, where `bmis fit` takes {FULL:g} hours if not told otherwise. {said} So "
        "they show whether the budget is kept, not how good a network `bmis fit` finds."
    )


def searched(fit: dict[str, Any]) -> int:
    """Epochs of the winner's longest trial."""
    return max(map(int, fit["validation_iou_in_the_search"]))


def row_of(key: str, fit: dict[str, Any]) -> list[str]:
    """One budget: what was found, or why nothing was."""
    name, budget, *_ = key.split(", ")
    cells = [DATASETS.get(name, name), budget.removesuffix(" ms")]
    if "winner" not in fit:
        return [*cells, f"none: {fit['failed']}", *[""] * 7]
    none = "none" if "best_on_record" in fit else "not timed yet"
    best: dict[str, Any] = fit.get("best_on_record") or {"network": none, "test_iou": None}
    return [
        *cells,
        f"`{fit['winner']}`, {fit['way']}",
        f"{fit['ms_anew']:.1f}",
        f"{fit['mb']:.2f}",
        decimals(fit["test"]["iou"]),
        f"{fit['trials']}, {fit['networks_trained']}",
        f"{searched(fit)}, {fit['epochs']}",
        best["network"],
        decimals(best["test_iou"]),
    ]


def decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def kills() -> Iterator[Section]:
    """A fit that was killed and one that was not."""
    found = read_if_there(KILLS)
    if found is None:
        return
    data, killed, same = found["data"], found["kills"], found["same"]
    differences = sum(not equal for equal in same.values())
    name = DATASETS.get(data["name"], data["name"])
    rows = [
        [str(number), f"{kill['seconds_after_it_went_on']:.0f}", *progress(kill)]
        for number, kill in enumerate(killed, start=1)
    ]
    yield Section(
        f"Killed at {len(killed)} random moments, it ends with {differences} differences",
        f"Two searches on {data['images']} images of {name}, {data['side']} pixels long, with the "
        "same seed and number of trials. One was killed (SIGKILL) and given again each time. "
        f"Compared were: {'; '.join(same)}.",
        ["kill", ">seconds after it went on", "last step that was done", "trials"],
        rows,
        f"python benchmarks/fit_kills.py BUSI --device FILE --images {data['images']} --max-ms 3",
        machine(found["machine"]),
        KILLS.name,
        [
            "Nothing was measured here: costs came from a file of `bmis bench`."
            if not found["measured_here"]
            else "The budget let every network in, so that no measured time decided."
        ],
    )


def progress(kill: dict[str, Any]) -> list[str]:
    """How far a fit was when it was killed."""
    states = {"COMPLETE": "done", "PRUNED": "stopped", "RUNNING": "under way", "FAIL": "failed"}
    trials = ", ".join(f"{count} {states[name]}" for name, count in kill["trials"].items())
    return [kill["done"], trials or "none"]


def boards() -> Iterator[Section]:
    """The device side on processors that QEMU emulates."""
    found = read_if_there(BOARDS)
    if found is None:
        return
    rows = [board_row(name, board) for name, board in found["boards"].items()]
    side, more = (found[name]["installed_mb"] for name in ("device_side", "with_engines"))
    bench = found["bench"]
    masks = [board["masks"] for board in found["boards"].values()]
    share = min(one["equal_pixels"] / one["pixels"] for one in masks)
    yield Section(
        f"On an emulated aarch64, {100 * share:.2f} % of the pixels are as on x86",
        f"{found['system']} for arm64, {found['python']}, run by {found['emulator']}: **no real "
        f"board**. `pip install .` takes {side:.0f} MB there, {more:.0f} MB with OpenVINO and "
        f"ncnn; nothing is compiled. `bmis bench` measured {len(bench['bundles'])} bundles by "
        f"{', '.join(bench['engines'])}, and `bmis fit --device` chose among "
        f"{bench['fit']['candidates'][0]} candidates by its file. Times under emulation mean "
        "nothing and are not on record.",
        [
            "board, processor",
            ">photos",
            ">identical masks",
            ">Dice, mean",
            ">Dice, worst",
            ">largest difference of a logit",
            "engines that ran",
        ],
        rows,
        "sudo python benchmarks/aarch64.py ROOT IMAGES",
        f"emulated on {machine(found['machine'])}",
        BOARDS.name,
        [
            "Photographs of Kvasir-SEG by `colonoscopy` in int8 and ONNX Runtime, at their own "
            "size; Dice between both masks. The largest logit was "
            f"{masks[0]['logits']['largest']:.1f}. At the network's size, the images were the same "
            f"bit by bit for {min(one['same_frames'] for one in masks)} of {masks[0]['photos']}."
        ],
    )


def board_row(name: str, board: dict[str, Any]) -> list[str]:
    masks = board["masks"]
    return [
        f"{name}, {board['processor']}",
        str(masks["photos"]),
        str(masks["identical_masks"]),
        f"{masks['mean_dice']:.4f}",
        f"{masks['least_dice']:.4f}",
        f"{masks['logits']['largest_difference']:.2f}",
        engines_of(board["engines"]),
    ]


def engines_of(found: dict[str, dict[str, Any]]) -> str:
    """Each engine and precision with the largest difference, or that it did not run."""
    by_way = defaultdict[str, list[dict[str, Any]]](list)
    for name, one in found.items():
        by_way[" ".join(name.split()[-2:])].append(one)
    said = []
    for way, some in sorted(by_way.items()):
        failed = sum("failed" in one for one in some)
        worst = max((one["largest_difference"] for one in some if "failed" not in one), default=0.0)
        ran = f"{way} within {worst:.2g}" if failed < len(some) else f"{way} **did not run**"
        said.append(
            ran + (f" ({failed} of {len(some)} did not run)" if 0 < failed < len(some) else "")
        )
    return "; ".join(said)
