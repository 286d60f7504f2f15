"""The page on the whole field: every method under one budget, accuracy beside cost.

What is measured grows by ``paper_table.py`` and ``paper_costs.py``; the page says how far they are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from paper_table import METHODS, RATE_SETS, RATES

from bmis import Record
from bmis.report.statistics import pareto_front
from bmis.wording import counted
from pages import design, field_order
from pages.field_rows import (
    BASE,
    COSTS,
    FOLDER,
    Row,
    by_method,
    complete,
    costs_of,
    mean_iou,
    measured,
    milliseconds,
    modalities,
    rows_of,
    so_far,
    starts,
    there,
)
from pages.layout import Section, difference, machine, p_value, page, table, trial_machines
from pages.records import DATASETS, RESULTS

PICTURE = "![Mean IoU against milliseconds, every method by name, with the Pareto front]"
SCORES = {  # of records, and for readers
    "iou": "IoU",
    "dice": "Dice",
    **{name: name for name in ("accuracy", "sensitivity", "specificity", "precision")},
}
START = {"imagenet": "ImageNet", "none": "nothing"}


def render() -> str:
    """``docs/results/field.md``."""
    sections = [
        *(overview(), field_order.ranks(), field_order.fronts()),
        *(modality(name) for name in there()),
        *(design.against_dsu_net(), budget()),
    ]
    return page("The whole field under one budget", introduction(), sections)


def introduction() -> str:
    """How far the table is, and the verdict."""
    trials, names = sum(map(len, by_method().values())), so_far()
    return "\n\n".join(
        [
            "The paper compares BMIS with 29 methods over five modalities. This is our table. "
            f"**It is not finished**: {trials} trainings of {len(by_method())} methods are done, "
            f"and {counted(len(complete()), 'method')} of the {len(METHODS)} planned on "
            f"{len(names)} of the five modalities ({modalities()}), which the means are over. "
            "Every method gets the same images, passes and seed, and its own learning rate.",
            verdict(),
            f"{PICTURE}(../images/field.svg)",
        ]
    )


def verdict() -> str:
    """Where BMIS leads, where it does not, and what to take."""
    whole = complete()
    if BASE not in whole:
        return "There is no verdict yet."
    own = mean_iou(whole[BASE])
    scratch = {m: rows for m, rows in whole.items() if starts(rows) == "none" and m != BASE}
    pairs = [rows[name].verdict for rows in scratch.values() for name in so_far()]
    ahead = [method for method, rows in scratch.items() if mean_iou(rows) > own]
    best = next(iter(whole))
    parts = [
        f"BMIS has a higher mean IoU than {len(scratch) - len(ahead)} of "
        f"{counted(len(scratch), 'other network')} that started from nothing; of {len(pairs)} "
        f"comparisons on single modalities it "
        f"wins {pairs.count('better')} and loses {pairs.count('worse')}, the rest show no "
        "difference.",
        *([f"Ahead of it {'is' if len(ahead) == 1 else 'are'} {listed(ahead)}."] if ahead else []),
        *(
            [f"`{best}`, from {START[starts(whole[best])]}, is best of all: "
             f"{mean_iou(whole[best]):.3f} against {own:.3f}."]
            if best != BASE
            else []
        ),
        *advice(whole),
    ]  # fmt: skip
    return " ".join(f"**{part}**" for part in parts)


def advice(whole: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """The Pareto front of mean IoU against time: what to take for which budget."""
    timed = [
        (ms, mean_iou(rows), method)
        for method, rows in whole.items()
        if (ms := milliseconds(method)) is not None
    ]
    if not timed:
        return []
    front = [timed[place] for place in pareto_front([(ms, iou) for ms, iou, _ in timed])]
    steps = [f"`{method}` from {ms:.1f} ms ({iou:.3f})" for ms, iou, method in front]
    return [f"What to take for a budget of time on one core (mean IoU): {', '.join(steps)}."]


def listed(names: Sequence[str]) -> str:
    """Names as code, with commas and an "and"."""
    marked = [f"`{name}`" for name in names]
    return " and ".join([*([", ".join(marked[:-1])] if marked[:-1] else []), marked[-1]])


def readme() -> str:
    """The methods that have been trained on all modalities so far, in the README."""
    whole = complete()
    record = next(iter(whole[BASE].values())).record
    rows = [
        [
            f"**{name}**" if method == BASE else name,
            START[starts(trained)],
            f"{mean_iou(trained):.3f}",
            f"{ms:.1f}",
        ]
        for method, trained in whole.items()
        if (ms := milliseconds(method)) is not None
        for name in [f"`{method}`"]
    ]
    heads = ["network", "starts from", ">mean IoU", ">one image on one core, ms"]
    size = record.conditions.size
    return (
        f"{PICTURE}(docs/images/field.svg)\n\n"
        f"{table(heads, rows)}\n\n{size[0]} x {size[1]} pixels, 9,000 images or crops each, every "
        f"network at its own learning rate; means over {modalities()}.\n"
        "[The whole field](docs/results/field.md) is not trained yet."
    )


def overview() -> Section:
    """The mean over the five modalities, beside what each costs."""
    whole = complete()
    partly = [method for method in by_method() if method not in whole]
    notes = [
        f"IoU and Dice are means over {modalities()}, each with the same weight. BMIS "
        "better / worse: on how many of them it is, at 0.05 after Holm's correction over all "
        "methods of a modality (Wilcoxon's signed-rank test, image by image).",
        "Costs are those of one image of 128 x 128 on one core; training: a step of 8 images in "
        "torch, float32. Memory is the peak of live tensors. MB is the size of an untrained "
        "bundle with what the fastest way needs. Empty: not measured yet, or no bundle.",
    ]
    if partly:
        notes.append(f"Not yet on all of them: {listed(sorted(partly))}.")
    costs = measured()
    return Section(
        "The mean over the modalities, and what it costs",
        f"{counted(len(whole), 'method')} have been trained on all of them so far.",
        [
            *("network", "starts from", ">IoU", ">Dice", ">BMIS better / worse"),
            *(f">{heading}" for heading, *_ in COSTS.values()),
        ],
        [overview_row(method, rows) for method, rows in whole.items()],
        "python benchmarks/paper_table.py DATA; python benchmarks/paper_costs.py DATA",
        machine(costs["machine"]) if "machine" in costs else "costs are not measured yet",
        f"{FOLDER.relative_to(RESULTS)}/",
        notes,
    )  # fmt: skip


def overview_row(method: str, rows: Mapping[str, Row]) -> list[str]:
    names = so_far()
    dice = fmean(rows[name].record.summary["cases"]["dice"]["mean"] for name in names)
    verdicts = [rows[name].verdict for name in names]
    wins = f"{verdicts.count('better')} / {verdicts.count('worse')}" if method != BASE else ""
    return [
        f"`{method}`",
        START[starts(rows)],
        f"{mean_iou(rows):.3f}",
        f"{dice:.3f}",
        wins,
        *cost_columns(method),
    ]


def cost_columns(method: str) -> list[str]:
    """Parameters to megabytes, empty where they are not known."""
    costs = costs_of(method)
    return [
        f"{costs[key] / scale:.{digits}f}" if key in costs else ""
        for key, (_, scale, digits) in COSTS.items()
    ]


def modality(name: str) -> Section:
    """All scores on one data set."""
    rows = rows_of(name)
    first = rows[0].record
    data, counts = DATASETS[first.trial.dataset], first.data
    better = sum(row.verdict == "better" for row in rows)
    worse = sum(row.verdict == "worse" for row in rows)
    return Section(
        f"{name.replace('-', ' ').capitalize()}, {data}",
        f"BMIS is better than {better} of {len(rows)} methods and worse than {worse}."
        if any(row.record.trial.method == BASE for row in rows)
        else "BMIS is not trained yet.",
        ["network", *(f">{name}" for name in SCORES.values()), ">BMIS minus it, IoU [95 %]", ">p"],
        [modality_row(row) for row in rows],
        f"python benchmarks/paper_table.py DATA --only {name}",
        trial_places(row.record for row in rows),
        f"{(FOLDER / name).relative_to(RESULTS)}/",
        [
            f"{counts['train']} / {counts['val']} / {counts['test']} images to train, to choose "
            f"the epoch by and to test; {first.conditions}. Mean and standard deviation over the "
            "test images at their own size. p: Holm's correction over the methods of this table.",
        ],
    )


def modality_row(row: Row) -> list[str]:
    cases = row.record.summary["cases"]
    gain = row.gain
    return [
        f"`{row.record.trial.method}`",
        *(f"{cases[metric]['mean']:.3f} ± {cases[metric]['std']:.3f}" for metric in SCORES),
        difference(gain.mean, gain.ci95) if gain else "",
        p_value(row.p, agrees=gain.agrees) if gain else "",
    ]


def trial_places(records: Iterable[Record]) -> str:
    """The machines of the trainings; their records may hold no costs yet."""
    found = [record for record in records if record.costs]
    return trial_machines(found) if found else "2 cores, shared with other work; no GPU"


def budget() -> Section:
    """Learning rate and precision of each method, and what a reader could object to."""
    rows = []
    for file in sorted((FOLDER / "rates").glob("*.json")):
        tried = json.loads(file.read_text(encoding="utf-8"))
        if sum(map(len, tried["iou"].values())) < len(RATES) * len(RATE_SETS):
            continue  # not all of them have been tried yet
        means = {rate: fmean(iou.values()) for rate, iou in tried["iou"].items() if iou}
        best = max(means, key=means.__getitem__)
        bits = "bf16" if tried["precision"] == "bf16" else "float32"
        rows.append(
            [
                f"`{tried['method']}`",
                bits,
                *(f"{'**' * (rate == best)}{iou:.3f}{'**' * (rate == best)}"
                  for rate, iou in means.items()),
            ]
        )  # fmt: skip
    return Section(
        "Every method at its own learning rate and precision",
        "The rate is the best of three by the mean IoU of the validation images of BUSI and "
        "Kvasir-SEG after a quarter of the passes. The precision is bf16 where the gradients bear "
        "it, which means a cosine of 0.8 or more with those in float64.",
        ["network", "precision", ">IoU at 0.0007", ">at 0.002", ">at 0.006"],
        rows,
        "python benchmarks/gradients.py; python benchmarks/paper_table.py DATA",
        "2 cores, shared with other work; no GPU",
        f"{FOLDER.relative_to(RESULTS)}/rates/",
        [
            "What a reader could object to. **The budget**: 9,000 passes are few; who learns fast "
            "gains. **The size**: 128 x 128 is small; thin structures and networks made for 224 or "
            "512 lose. **One seed**: what another would change is not in the intervals. **The "
            "recipe** was tuned on BMIS; other methods got their own learning rate alone. "
            "**ImageNet**: `bmis_edge` and `bmis_edge_s` start from it where the rows say so, and "
            "no other network here does: their weights would have to be fetched.",
        ],
    )
