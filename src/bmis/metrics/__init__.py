"""How good a mask is: per image and class, at the image's own size, with rules for empty masks.

The rules are in ``docs/reference/metrics.md``. ``case.py`` implements them.
"""

from bmis.metrics.boundary import surface, surface_distances
from bmis.metrics.case import (
    DEFAULT_TOLERANCE,
    DISTANCES,
    METRICS,
    RULES_VERSION,
    CaseScore,
    score_case,
)
from bmis.metrics.collapse import collapsed_classes, describe_collapse
from bmis.metrics.confusion import count_confusion
from bmis.metrics.intervals import keep_in_range, student_interval
from bmis.metrics.paired import PairedDifference, paired_difference
from bmis.metrics.summary import Summary, highest_value, summarise, summarise_cases
from bmis.metrics.t_quantile import student_quantile

__all__ = [
    "DEFAULT_TOLERANCE",
    "DISTANCES",
    "METRICS",
    "RULES_VERSION",
    "CaseScore",
    "PairedDifference",
    "Summary",
    "collapsed_classes",
    "count_confusion",
    "describe_collapse",
    "highest_value",
    "keep_in_range",
    "paired_difference",
    "score_case",
    "student_interval",
    "student_quantile",
    "summarise",
    "summarise_cases",
    "surface",
    "surface_distances",
]
