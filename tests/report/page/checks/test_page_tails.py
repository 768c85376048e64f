"""Tails of samples that are right, too light and too heavy."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.report.page.checks.tails import ENDS, tail_shares

RNG = np.random.default_rng


def test_the_same_law_has_the_nominal_shares_and_few_alarms():
    rng = RNG(0)
    found = [tail_shares(*rng.normal(size=(2, 4000))) for _ in range(200)]
    nominal = [0.001, 0.01, 0.01, 0.001]
    np.testing.assert_allclose(np.mean([f.observed for f in found], axis=0), nominal, rtol=0.2)
    np.testing.assert_allclose(np.mean([f.expected for f in found], axis=0), nominal, rtol=0.05)
    quantiles = np.mean([f.quantiles for f in found], axis=0)
    assert quantiles == pytest.approx([-3.09, -2.326, 2.326, 3.09], abs=0.05)
    # Fisher's test is exact for fixed margins, and cautious where counts are small
    assert np.mean([f.p_values < 0.05 for f in found]) < 0.055
    assert len(ENDS) == 4


def test_light_and_heavy_tails_are_seen_on_their_side():
    normal, heavy = RNG(1).normal(size=5000), RNG(2).standard_t(2, size=5000)
    light = tail_shares(np.where(heavy > 0, heavy, normal), normal)
    assert (light.p_values[2:] < 1e-6).all()
    assert (light.observed[2:] > light.expected[2:]).all()
    too_heavy = tail_shares(normal, heavy)
    assert too_heavy.p_values[1:3].max() < 1e-6
    assert (too_heavy.observed[1:3] < too_heavy.expected[1:3]).all()


def test_ties_at_the_quantile_are_no_tail():
    # three values only: nothing is strictly beyond the extreme ones
    data, samples = (RNG(seed).integers(0, 3, 2000).astype(float) for seed in (1, 2))
    found = tail_shares(data, samples)
    assert found.observed.tolist() == found.expected.tolist() == [0, 0, 0, 0]
    assert (found.p_values == 1).all()
