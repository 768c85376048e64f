"""P-values by counting."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.errors import DataError
from diffeo.tabular.anomaly import conformal_p_values


def test_ties_count_as_at_least_as_high():
    assert conformal_p_values([1, 2, 2, 3], [2, 3, 3.5, 0]).tolist() == [0.8, 0.4, 0.2, 1.0]


def test_no_more_rejections_than_the_level():
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [conformal_p_values(rng.normal(size=19), rng.normal(size=5)) for _ in range(4000)]
    )
    assert abs((p <= 0.05).mean() - 0.05) < 0.005
    assert (p <= 0.049).mean() == 0


@pytest.mark.parametrize(
    ("held_out", "scores", "message"),
    [
        ([], [1.0], "at least one held-out score"),
        ([1.0], [np.nan], "NaN among the scores, first at 0"),
        ([[1.0]], [1.0], "shape"),
    ],
)
def test_numbers_that_cannot_be_compared(held_out, scores, message):
    with pytest.raises(DataError, match=message):
        conformal_p_values(held_out, scores)
