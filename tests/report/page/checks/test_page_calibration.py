"""Probability integral transforms of true and of wrong models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from diffeo.report.page.checks.calibration import (
    binomial_band,
    central_coverage,
    pit_against_samples,
    uniformity,
)

NOMINAL = np.array([0.5, 0.9])


def test_the_true_model_is_uniform_and_covers():
    x = np.random.default_rng(0).normal(size=(4000, 2))
    pit = norm.cdf(x)
    assert (uniformity(pit)[1] > 0.01).all()
    np.testing.assert_allclose(central_coverage(pit, NOMINAL), NOMINAL[:, None] * [1, 1], atol=0.02)


def test_a_narrow_model_covers_too_little_and_a_wide_one_too_much():
    x = np.random.default_rng(0).normal(size=4000)
    pit = np.stack([norm.cdf(x, scale=0.5), norm.cdf(x, scale=2.0)], axis=1)
    coverage = central_coverage(pit, NOMINAL)
    for column, scale in enumerate((0.5, 2.0)):
        truth = 1 - 2 * norm.cdf(norm.ppf(0.5 - NOMINAL / 2) * scale)
        np.testing.assert_allclose(coverage[:, column], truth, atol=0.025)
    assert (uniformity(pit)[1] < 1e-10).all()


def test_holes_are_left_out():
    pit = np.array([[0.5, np.nan], [np.nan, np.nan], [0.99, np.nan]])
    coverage = central_coverage(pit, NOMINAL)
    assert coverage[:, 0].tolist() == [0.5, 0.5]
    assert np.isnan(coverage[:, 1]).all()
    assert uniformity(pit)[1][1] == 1.0


@pytest.mark.parametrize("draw", ["normal", "poisson"])
def test_ranks_of_one_law_are_uniform_with_or_without_ties(draw):
    rng = np.random.default_rng(3)
    data, samples = (getattr(rng, draw)(size=(3000, 1)).astype(float) for _ in range(2))
    ranks = pit_against_samples(data, samples, seed=0)
    assert 0 < ranks.min() < ranks.max() < 1
    assert uniformity(ranks, 3000)[1][0] > 0.01
    # and moved data are not
    assert uniformity(pit_against_samples(data + 1, samples, seed=0), 3000)[1][0] < 1e-10


def test_a_rank_lies_where_it_should():
    ranks = pit_against_samples(
        np.array([[2.5], [np.nan]]), np.array([[1.0], [2.0], [3.0], [np.nan]]), seed=0
    )
    assert 2 / 4 < ranks[0, 0] < 3 / 4
    assert np.isnan(ranks[1, 0])


def test_the_band_leaves_out_as_much_as_it_says():
    low, high = binomial_band(200, np.array([0.1, 0.5]), 0.01)
    shares = np.random.default_rng(0).binomial(200, [0.1, 0.5], (20_000, 2)) / 200
    outside = ((shares < low) | (shares > high)).mean(axis=0)
    assert (outside <= 0.011).all()
    assert (outside > 0.002).all()


@pytest.mark.parametrize("samples", [None, 300])
def test_alarms_are_as_rare_as_they_should_be(samples):
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(300):
        data = rng.random((400, 1))
        if samples is None:
            pit = data
        else:
            pit = pit_against_samples(data, rng.random((samples, 1)), seed=0)
        p_values.append(uniformity(pit, samples)[1][0])
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08
