"""Student's t, as far as 95 % intervals need it, without scipy."""

import math
from functools import cache

import numpy as np

_PROBABILITY = 0.975  # both ends of a 95 % interval
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_EXACT = 1e-15


@cache
def student_quantile(degrees_of_freedom: float) -> float:
    """How many standard errors a 95 % interval reaches to either side.

    Args:
        degrees_of_freedom: Degrees of freedom, 1 or more, not only whole ones.

    Returns:
        The 0.975 quantile of Student's distribution, right to 1e-12 of itself up to a thousand
        degrees of freedom and to 1e-8 up to a million.
    """
    # with t = sqrt(degrees_of_freedom) * tan(angle) the density is a power of the cosine
    power = degrees_of_freedom - 1
    ratio = math.exp(
        math.lgamma((degrees_of_freedom + 1) / 2) - math.lgamma(degrees_of_freedom / 2)
    )
    scale = ratio / math.sqrt(math.pi)
    angle, step = 0.0, 1.0
    while (
        step > _EXACT * angle
    ):  # ever flatter, the integral lets no step of Newton's pass the root
        half = angle / 2
        area = scale * half * float(_WEIGHTS @ np.cos(half * (_NODES + 1)) ** power)
        step = (_PROBABILITY - 0.5 - area) / (scale * math.cos(angle) ** power)
        angle += step
    return math.sqrt(degrees_of_freedom) * math.tan(angle)
