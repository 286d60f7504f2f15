"""Student's quantile against scipy."""

import pytest
from scipy import special

from bmis.metrics.t_quantile import student_quantile


@pytest.mark.parametrize("degrees_of_freedom", [1, 1.3, 2, 3, 4.7, 9, 30, 120.5, 999])
def test_the_quantile_is_scipys(degrees_of_freedom):
    assert student_quantile(degrees_of_freedom) == pytest.approx(
        special.stdtrit(degrees_of_freedom, 0.975), rel=1e-12
    )


@pytest.mark.parametrize("degrees_of_freedom", [1e4, 1e5, 1e6])
def test_the_quantile_of_many_images_is_scipys(degrees_of_freedom):
    assert student_quantile(degrees_of_freedom) == pytest.approx(
        special.stdtrit(degrees_of_freedom, 0.975), rel=1e-8
    )
