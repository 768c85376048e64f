from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from diffeo.errors import DataError, ShapeError
from diffeo.inference.psis import elbo, log_evidence, psis, resample

SIZES = [21, 25, 50, 107, 1000, 20_000]


def _student(x, df):
    return -(df + 1) / 2 * np.log1p(x**2 / df)


FAMILIES = {
    "bounded": lambda random, n: -0.3 * random.normal(size=n) ** 2,
    "narrow proposal": lambda random, n: 0.3 * random.normal(size=n) ** 2,
    "normal by t": lambda random, n: (lambda x: -(x**2) / 2 - _student(x, 4))(
        random.standard_t(4, size=n)
    ),
    "t by normal": lambda random, n: (lambda x: _student(x, 3) + x**2 / 2)(random.normal(size=n)),
    "k of two": lambda random, n: np.log(random.pareto(0.5, size=n)),
    "hundreds of nats": lambda random, n: 300 * random.normal(size=n),
    "few of weight": lambda random, n: np.where(np.arange(n) % 3 == 0, random.normal(size=n), -800),
    "zeros": lambda random, n: np.where(np.arange(n) % 3 == 0, -np.inf, 2 * random.normal(size=n)),
    "ties": lambda random, n: np.round(random.normal(size=n), 1),
    "far from zero": lambda random, n: 1e4 + 2 * random.normal(size=n),
}


def _arviz(log_weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, on import and of a failed fit
        import arviz

        # it takes log-weights here: the sign is turned only by its leave-one-out functions
        smoothed, khat = arviz.psislw(log_weights.copy())
    return np.asarray(smoothed), float(khat)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_khat_are_those_of_arviz(family, n):
    pytest.importorskip("arviz", reason="compares with arviz", exc_type=ImportError)
    log_weights = FAMILIES[family](np.random.default_rng(n), n)
    weights = psis(torch.from_numpy(log_weights))
    expected, khat = _arviz(log_weights)
    assert weights.khat == pytest.approx(khat, rel=1e-6, abs=1e-6)
    # the order among equal weights is anybody's
    order = np.argsort(log_weights, kind="stable")
    ours, theirs = weights.log_weights.numpy()[order], expected[order]
    if family == "ties":
        ours, theirs = np.sort(ours), np.sort(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert math.isfinite(weights.khat) == (weights.note == "")


@pytest.mark.parametrize("shape", [-0.5, 0.2, 0.7, 1.5])
def test_khat_finds_the_shape_of_a_pareto_tail(shape):
    uniform = torch.rand(100_000, dtype=torch.float64)
    # quantiles of a generalised Pareto distribution of that shape
    weights = psis(torch.log(torch.expm1(-shape * torch.log(uniform)) / shape))
    assert weights.khat == pytest.approx(shape, abs=0.1)


def test_the_sign_is_that_of_log_p_minus_log_q():
    x = torch.randn(4000, dtype=torch.float64)
    wide = -(x**2) / 2 + (x / 2) ** 2 / 2
    assert psis(wide).khat < 0
    assert psis(-wide).khat > 0.5


def test_smoothed_weights_estimate_better_than_raw_ones():
    """E x^2 = 1 under p from a proposal that is too narrow, where raw weights have no variance."""
    generator = torch.Generator().manual_seed(1)
    squares = []
    for _ in range(300):
        x = 0.65 * torch.randn(500, dtype=torch.float64, generator=generator)
        raw = -(x**2) / 2 + (x / 0.65) ** 2 / 2
        pair = [torch.softmax(raw, 0), psis(raw).log_weights.exp()]
        squares.append([float((w * x**2).sum() - 1) ** 2 for w in pair])
    raw_error, smoothed_error = np.mean(squares, axis=0)
    assert smoothed_error < raw_error


def test_equal_weights_are_perfect():
    for log_weights in (torch.zeros(100), 3e3 + 1e-12 * torch.randn(100, dtype=torch.float64)):
        weights = psis(log_weights)
        assert weights.khat == 0
        assert "equal" in weights.note
        assert weights.ess == pytest.approx(100)
        torch.testing.assert_close(weights.log_weights.exp(), torch.full((100,), 0.01).double())


def test_a_plateau_at_the_top_is_no_tail():
    """A uniform target inside a wider uniform proposal: weights are one or zero."""
    weights = psis(torch.where(torch.arange(1000) % 2 == 0, 0.0, -torch.inf))
    assert weights.khat == 0
    assert weights.ess == pytest.approx(500)
    assert weights.log_evidence == pytest.approx(math.log(0.5))


@pytest.mark.parametrize("n", [1, 2, 20])
def test_too_few_draws_are_not_smoothed_and_said(n):
    raw = torch.randn(n, dtype=torch.float64)
    weights = psis(raw)
    assert weights.khat == math.inf
    assert "few" in weights.note
    torch.testing.assert_close(weights.log_weights, torch.log_softmax(raw, 0))


def test_fewer_than_five_draws_of_weight_are_not_smoothed():
    weights = psis(torch.where(torch.arange(1000) < 3, torch.arange(1000.0), -torch.inf))
    assert weights.khat == math.inf
    assert "3 draws" in weights.note


@pytest.mark.parametrize("n", range(100, 121))
def test_a_tail_of_equal_weights_has_a_fit(n):
    """Where the grid of the fit holds the exponential limit, both its parameters are zero."""
    weights = psis(torch.where(torch.arange(n) < 10, 1.0, 0.0))
    assert math.isfinite(weights.khat)
    assert bool(torch.isfinite(weights.log_weights).all())


def test_evidence_of_smoothed_weights():
    x = torch.randn(20_000, dtype=torch.float64) * 1.2
    log_weights = -(x**2) / 2 + (x / 1.2) ** 2 / 2 + math.log(1.2) + 5
    assert psis(log_weights).log_evidence == pytest.approx(5, abs=0.01)


def test_evidence_and_its_error_cover_the_truth():
    generator = torch.Generator().manual_seed(0)
    scores, estimates, errors = [], [], []
    for _ in range(400):
        x = 1.5 * torch.randn(500, dtype=torch.float64, generator=generator)
        estimate, error = log_evidence(-(x**2) / 2 + (x / 1.5) ** 2 / 2 + math.log(1.5) - 700)
        estimates.append(estimate)
        errors.append(error)
        scores.append((estimate + 700) / error)
    assert abs(np.mean(scores)) < 0.25
    assert np.std(estimates) == pytest.approx(np.mean(errors), rel=0.15)


def test_evidence_counts_draws_without_weight():
    estimate, error = log_evidence(torch.tensor([0.0, -torch.inf] * 50))
    assert estimate == pytest.approx(math.log(0.5))
    assert error == pytest.approx(float(torch.tensor([1.0, 0.0] * 50).std()) / 0.5 / 10)
    assert log_evidence(torch.tensor([2.0])) == (2.0, math.inf)


def test_elbo():
    assert elbo(torch.tensor([1.0, 2.0, 3.0])) == pytest.approx((2.0, 1 / math.sqrt(3)))
    assert elbo(torch.tensor([1.0, -torch.inf])) == (-math.inf, math.inf)
    assert elbo(torch.tensor([1.0])) == (1.0, math.inf)


def test_resampling_with_replacement_follows_the_weights():
    log_weights = torch.tensor([0.1, 0.0, 0.6, 0.3]).log() + 800
    chosen = resample(log_weights, 40_000, 0)
    shares = torch.bincount(chosen, minlength=4) / 40_000
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.0, 0.6, 0.3]), atol=0.01, rtol=0)
    assert shares[1] == 0
    assert torch.equal(chosen, resample(log_weights, 40_000, torch.Generator().manual_seed(0)))
    # neighbours are independent
    assert abs(np.corrcoef(chosen[1:], chosen[:-1])[0, 1]) < 0.02


def test_resampling_without_replacement_repeats_none():
    log_weights = torch.tensor([1.0, 2.0, 3.0, 0.0]).log()
    for seed in range(20):
        assert sorted(resample(log_weights, 3, seed, replace=False).tolist()) == [0, 1, 2]
    first = [int(resample(log_weights, 1, seed, replace=False)) for seed in range(6000)]
    shares = np.bincount(first, minlength=4) / 6000
    np.testing.assert_allclose(shares, [1 / 6, 2 / 6, 3 / 6, 0], atol=0.03)
    with pytest.raises(ValueError, match="only 3 of 4 have any weight"):
        resample(log_weights, 4, 0, replace=False)


def test_resampling_none():
    assert resample(torch.zeros(3), 0).shape == (0,)
    with pytest.raises(ValueError, match=">= 0"):
        resample(torch.zeros(3), -1)


@pytest.mark.parametrize("function", [psis, log_evidence, elbo, lambda x: resample(x, 3)])
def test_bad_weights_are_refused(function):
    with pytest.raises(ShapeError, match=r"vector .* got \(0,\)"):
        function(torch.zeros(0))
    with pytest.raises(ShapeError, match=r"got \(3, 2\)"):
        function(torch.zeros(3, 2))
    with pytest.raises(DataError, match="row 1 of 3 is nan"):
        function(torch.tensor([0.0, torch.nan, 1.0]))
    with pytest.raises(DataError, match="row 2 of 3 is inf"):
        function(torch.tensor([0.0, 0.0, torch.inf]))
    with pytest.raises(DataError, match="all 3 log_weights are -inf"):
        function(torch.full((3,), -torch.inf))


def test_float32_numpy_and_gradients_are_taken():
    raw = torch.randn(200)
    expected = psis(raw.double())
    for given in (raw, raw.numpy(), raw.clone().requires_grad_()):
        weights = psis(given)
        assert weights.log_weights.dtype == torch.float64
        assert not weights.log_weights.requires_grad
        assert weights.khat == expected.khat
