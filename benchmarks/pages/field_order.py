"""Sections of the whole field: how sure its order is, and who is best for each cost."""

import numpy as np
from pandas import DataFrame

from bmis.report.statistics import bootstrap_ranks, pareto_front, quality_cost_scores
from pages.field_rows import (
    COSTS,
    FOLDER,
    complete,
    costs_of,
    mean_iou,
    measured,
    modalities,
    so_far,
)
from pages.layout import Section, machine
from pages.records import RESULTS, known

SCRIPT = "python benchmarks/paper_table.py DATA; python benchmarks/paper_costs.py DATA"
RECORDS = f"{FOLDER.relative_to(RESULTS)}/"


def mean_ranks() -> DataFrame:
    """The mean rank over the modalities: one row a bootstrap sample, one column a method."""
    drawn = [
        bootstrap_ranks(
            DataFrame({m: known(rows[name].record, "iou") for m, rows in complete().items()}),
            seed=seed,
        )
        for seed, name in enumerate(so_far())
    ]
    return sum(drawn[1:], drawn[0]) / len(drawn)


def ranks() -> Section:
    """How stable the order is if other images had been there to test by; U-Scores."""
    found = mean_ranks()
    first = found.eq(found.min(axis=1), axis=0).mean()
    costs = {method: costs_of(method) for method in complete()}
    table = DataFrame.from_dict(costs, orient="index")
    table["iou"] = [mean_iou(rows) for rows in complete().values()]
    scores = quality_cost_scores(table)["score"].to_dict()
    rows = []
    for method in found.mean().sort_values(kind="stable").index:
        low, high = np.percentile(found[method], (2.5, 97.5))
        rows.append(
            [
                f"`{method}`",
                f"{found[method].mean():.2f} [{low:.2f}, {high:.2f}]",
                f"{first[method]:.0%}",
                f"{scores[method]:.2f}" if method in scores else "",
            ]
        )
    return Section(
        "How sure the order is",
        f"The mean rank by IoU over {modalities()}, had other test images been drawn.",
        ["network", ">mean rank [95 %]", ">first in", ">U-Score"],
        rows,
        SCRIPT,
        machine(measured()["machine"]),
        RECORDS,
        [
            "The bootstrap draws test images with replacement, the same for all methods, in each "
            "modality by itself. The U-Score ([U-Bench](https://arxiv.org/abs/2510.07041)) joins "
            "mean IoU, parameters, MACs and images a second in torch; its scale is the methods of "
            "this table, so it changes with them, and it says little while they are few."
        ],
    )


def fronts() -> Section:
    """For each cost the methods that no other beats in both it and the mean IoU."""
    rows = []
    for key, (heading, scale, digits) in COSTS.items():
        methods = [method for method in complete() if key in costs_of(method)]
        points = [(costs_of(method)[key], mean_iou(complete()[method])) for method in methods]
        steps = [
            f"`{methods[place]}` {points[place][0] / scale:.{digits}f} ({points[place][1]:.3f})"
            for place in pareto_front(points)
        ]
        rows.append([heading, ", ".join(steps)])
    return Section(
        "The best for each cost",
        "The Pareto fronts of mean IoU, in brackets, against each cost, the cheapest first.",
        ["cost", "methods that none beats in both"],
        rows,
        SCRIPT,
        machine(measured()["machine"]),
        RECORDS,
    )
