"""Quantile of Student's t for 95 % intervals.

Own code, because scipy would add 113 MB to an installation on a device.
"""

import math
from functools import cache

import numpy as np

_PROBABILITY = 0.975  # leaves 2.5 % on each side of a 95 % interval
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_EXACT = 1e-15


@cache
def student_quantile(degrees_of_freedom: float) -> float:
    """The 0.975 quantile of Student's t: half of a 95 % interval, in standard errors.

    The integral of the density by Gauss-Legendre quadrature, inverted by Newton's method.

    Args:
        degrees_of_freedom: Degrees of freedom, at least 1, not necessarily whole.

    Returns:
        The quantile, with a relative error below 1e-12 up to a thousand degrees of freedom and
        below 1e-8 up to a million.

    Example:
        >>> round(student_quantile(9), 4)
        2.2622
    """
    # with t = sqrt(degrees_of_freedom) * tan(angle) the density is a power of the cosine
    power = degrees_of_freedom - 1
    ratio = math.exp(
        math.lgamma((degrees_of_freedom + 1) / 2) - math.lgamma(degrees_of_freedom / 2)
    )
    scale = ratio / math.sqrt(math.pi)
    angle, step = 0.0, 1.0
    while step > _EXACT * angle:  # the integral is concave, so no step of Newton passes the root
        half = angle / 2
        area = scale * half * float(_WEIGHTS @ np.cos(half * (_NODES + 1)) ** power)
        step = (_PROBABILITY - 0.5 - area) / (scale * math.cos(angle) ** power)
        angle += step
    return math.sqrt(degrees_of_freedom) * math.tan(angle)
