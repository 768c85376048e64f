"""Baselines: normalised, and right where the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from diffeo.report.page import ReportColumn, baseline_log_probs

RNG_SEED = 0


def test_the_gaussian_of_gaussian_data_has_the_entropy_of_the_truth():
    rng = np.random.default_rng(RNG_SEED)
    covariance = np.array([[1.0, 0.8], [0.8, 2.0]])
    table = pd.DataFrame(rng.multivariate_normal([3, -1], covariance, 12_000), columns=["a", "b"])
    columns = [ReportColumn("a"), ReportColumn("b")]
    scores = baseline_log_probs(table[:8000], table[8000:], columns)
    joint = -np.log(2 * np.pi * np.e) - np.linalg.slogdet(covariance)[1] / 2
    alone = -np.log(2 * np.pi * np.e) - np.log(1.0 * 2.0) / 2
    assert scores["Gaussian"].mean() == pytest.approx(joint, abs=0.03)
    assert scores["independent columns"].mean() == pytest.approx(alone, abs=0.06)


def test_the_gaussian_integrates_holes_out():
    rng = np.random.default_rng(RNG_SEED)
    table = pd.DataFrame(rng.normal(size=(500, 2)) @ [[1, 0.9], [0, 0.4]], columns=["a", "b"])
    columns = [ReportColumn("a"), ReportColumn("b")]
    both = baseline_log_probs(table, table.assign(b=np.nan), columns)["Gaussian"]
    alone = baseline_log_probs(table[["a"]], table[["a"]], columns[:1])["Gaussian"]
    np.testing.assert_allclose(both, alone, rtol=1e-6)
    nothing = table.assign(a=np.nan, b=np.nan)
    for scores in baseline_log_probs(table, nothing, columns).values():
        assert (scores == 0).all()


def _integral(column: ReportColumn, train: pd.Series, points: np.ndarray, width: float) -> list:
    train_frame, grid = pd.DataFrame({"x": train}), pd.DataFrame({"x": points})
    scores = baseline_log_probs(train_frame, grid, [column])
    return [float(np.exp(each).sum() * width) for each in scores.values()]


def test_numbers_integrate_to_one():
    train = np.random.default_rng(RNG_SEED).gamma(2, 3, 3000)
    grid = np.arange(-120, 160, 0.002)
    assert _integral(ReportColumn("x"), train, grid, 0.002) == pytest.approx([1, 1], abs=2e-3)


def test_values_on_a_lattice_sum_to_one():
    train = np.random.default_rng(RNG_SEED).normal(20, 4, 3000).round(1)
    lattice = np.round(np.arange(-1000, 2000) * 0.1, 1)
    sums = _integral(ReportColumn("x", step=0.1), train, lattice, 1.0)
    assert sums == pytest.approx([1, 1], abs=2e-3)


def test_labels_leave_room_for_the_unseen():
    train = np.repeat(["a", "b"], [300, 100])
    column = ReportColumn("x", "categorical", levels=("a", "b", "c"))
    sums = _integral(column, train, np.array(["a", "b", "c"]), 1.0)
    assert sums == pytest.approx([403 / 404] * 2)


def test_an_atom_has_the_mass_of_its_share():
    rng = np.random.default_rng(RNG_SEED)
    train = np.where(rng.random(4000) < 0.3, 0.0, rng.gamma(3, 1, 4000))
    share = np.mean(train == 0)
    column = ReportColumn("x", "positive", atoms=(0.0,))
    for scores in baseline_log_probs(
        pd.DataFrame({"x": train}), pd.DataFrame({"x": [0.0]}), [column]
    ).values():
        assert np.exp(scores[0]) == pytest.approx(share, abs=2e-3)
    smooth = np.arange(-60, 100, 0.004) + 0.001
    assert _integral(column, train, smooth, 0.004) == pytest.approx([1 - share] * 2, abs=3e-3)


def test_a_constant_column_and_impossible_correlations_do_not_break_the_gaussian():
    rng = np.random.default_rng(RNG_SEED)
    table = pd.DataFrame({"a": np.ones(50), "b": rng.normal(size=50)})
    table["c"] = table["b"]
    columns = [ReportColumn(name) for name in table]
    for scores in baseline_log_probs(table, table, columns).values():
        assert np.isfinite(scores).all()
