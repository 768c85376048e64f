"""Distances of single columns, dependence of pairs, and bins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from diffeo.report.page.checks.dependence import (
    mutual_information,
    pairs_by_dependence,
    shared_bins,
)
from diffeo.report.page.checks.histogram import bin_edges, histogram
from diffeo.report.page.checks.marginals import difference

RNG = np.random.default_rng


def test_the_distance_of_numbers_is_scipys():
    first, second = RNG(1).normal(size=700), RNG(2).normal(0.2, 1, size=500)
    ours, theirs = difference(first, second, False), ks_2samp(first, second)
    assert ours.distance == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.2)
    assert difference(np.append(first, np.nan), second, False) == ours


def test_the_distance_of_labels_is_total_variation():
    first, second = np.repeat([0.0, 1.0], [60, 40]), np.repeat([0.0, 1.0, 2.0], [30, 40, 30])
    found = difference(first, second, True)
    assert found.distance == pytest.approx(0.3)
    assert found.p_value < 1e-6
    assert difference(first, first, True).p_value == pytest.approx(1)
    assert difference(first * 0, first * 0, True).p_value == 1.0


def test_a_column_of_holes_has_no_distance_to_itself():
    holes = np.full(5, np.nan)
    assert difference(holes, holes, False).distance == 0
    assert difference(holes, np.ones(5), False).distance == 1


def test_mutual_information_of_known_pairs():
    rng = RNG(0)
    labels = rng.integers(0, 4, 5000).astype(float)
    same = shared_bins(labels, True)
    assert mutual_information(same, same) == pytest.approx(np.log(4), abs=0.01)
    other = shared_bins(rng.integers(0, 4, 5000).astype(float), True)
    assert mutual_information(same, other) < 0.003
    correlated = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 20_000)
    bins = [shared_bins(correlated[:, k], False) for k in range(2)]
    # -log(1 - rho^2) / 2 = 0.511, of which twelve bins keep most
    assert mutual_information(*bins) == pytest.approx(0.48, abs=0.035)


def test_rare_labels_share_a_bin():
    codes = np.concatenate([np.repeat(np.arange(5.0), 50), np.arange(5.0, 5000.0)])
    bins, width = shared_bins(np.append(codes, np.nan), True)
    assert width <= 31
    assert len(set(bins[:250].tolist())) == 5
    assert bins[-1] == -1
    assert (np.bincount(bins[:-1]) > 0).all()


def test_pairs_come_in_the_order_of_their_dependence():
    rng = RNG(0)
    a, b, c = rng.normal(size=(3, 3000))
    label = (a > 0).astype(float)
    label[::10] = np.nan
    table = np.stack([a, b, a + 0.1 * c, label, np.full(3000, np.nan)], axis=1)
    discrete = np.array([False, False, False, True, False])
    ranked = pairs_by_dependence(table, discrete, seed=0)
    assert len(ranked) == 10
    assert [pair[:2] for pair in ranked[:3]] == [(0, 2), (0, 3), (2, 3)]
    assert ranked[-1][2] == 0


def test_shares_atoms_and_the_rest_sum_to_one():
    rng = RNG(0)
    values = np.where(rng.random(2000) < 0.25, 0.0, rng.standard_cauchy(2000))
    found = histogram(np.append(values, np.nan), values[:500], atoms=(0.0,))
    for k in range(2):
        assert found.shares[k].sum() + found.atoms[0][1][k] + found.outside[k] == pytest.approx(1)
    assert found.atoms[0][1][0] == np.mean(values == 0)
    assert 0 < found.outside[0] < 0.003


def test_bins_of_a_lattice_hold_as_many_points_each():
    values = np.arange(0, 100, 0.1)
    found = histogram(values, step=0.1)
    counts = found.shares[0] * len(values)
    assert set(np.round(counts[:-1]).tolist()) == {25.0}
    # so a flat lattice looks flat, without a comb
    assert len(counts) <= 40


def test_values_over_many_decades_are_binned_in_the_logarithm():
    values = np.exp(RNG(0).normal(0, 4, 3000))
    edges, logarithmic = bin_edges([values], 0.0, 0.0, 30)
    assert logarithmic
    np.testing.assert_allclose(np.diff(np.log(edges)), np.log(edges[1] / edges[0]))
    assert not bin_edges([values - 1], 0.0, 0.0, 30)[1]


@pytest.mark.parametrize("values", [np.empty(0), np.full(9, 7.0), np.zeros(4)])
def test_columns_without_spread_still_have_bins(values):
    found = histogram(values)
    assert (np.diff(found.edges) > 0).all()
    assert found.shares[0].sum() == pytest.approx(float(len(values) > 0))
