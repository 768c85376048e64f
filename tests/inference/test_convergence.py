from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from diffeo.errors import ShapeError
from diffeo.inference.convergence import ess_bulk, ess_tail, rhat

STATISTICS = [rhat, ess_bulk, ess_tail]


def autoregressive(chains, draws, phi, seed=0, dim=None):
    random = np.random.default_rng(seed)
    x = random.normal(size=(chains, draws, *(() if dim is None else (dim,))))
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + math.sqrt(1 - min(phi**2, 0.99)) * x[:, t]
    return x


def _arviz(statistic, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, on import
        import arviz

        if statistic is rhat:
            return arviz.rhat(x)
        return arviz.ess(x, method="bulk" if statistic is ess_bulk else "tail")


SHAPES = {
    "as drawn": lambda x: x,
    "chains apart": lambda x: x + np.arange(len(x))[:, None],
    "chains of different scale": lambda x: x * (1 + np.arange(len(x))[:, None]),
    "heavy tails": np.tan,
    "skewed": lambda x: np.exp(3 * x),
    "ties": np.round,
    "two values": lambda x: (x > 0).astype(float),
    "one stuck chain": lambda x: np.concatenate([x[1:], np.full_like(x[:1], 0.3)]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("statistic", STATISTICS)
def test_values_are_those_of_arviz(statistic, shape):
    pytest.importorskip("arviz", reason="compares with arviz", exc_type=ImportError)
    # not 1 modulo 20 in all, where rounding decides on which side of a quantile a draw is
    for chains, draws in [(2, 4), (3, 6), (2, 8), (4, 13), (2, 50), (7, 51), (4, 402)]:
        for phi in (-0.9, 0.0, 0.9, 1.0):
            x = SHAPES[shape](autoregressive(chains, draws, phi))
            with np.errstate(all="ignore"):
                expected = _arviz(statistic, x)
            if np.isnan(expected) or len(np.unique(x)) == 1:
                continue
            assert statistic(x) == pytest.approx(expected, rel=1e-6), (chains, draws, phi)


def test_one_chain_is_compared_with_itself():
    pytest.importorskip("arviz", reason="compares with arviz", exc_type=ImportError)
    x = autoregressive(1, 300, 0.5)
    assert ess_bulk(x) == pytest.approx(_arviz(ess_bulk, x), rel=1e-6)
    assert ess_tail(x) == pytest.approx(_arviz(ess_tail, x), rel=1e-6)
    assert rhat(x) == pytest.approx(rhat(np.concatenate([x[:, :150], x[:, 150:]])), abs=0.02)
    assert rhat(x + np.linspace(0, 5, 300)) > 1.5


def test_effective_number_of_an_autoregression():
    """(1 - phi) / (1 + phi) of the draws."""
    for phi in (-0.5, 0.0, 0.5, 0.8):
        x = autoregressive(8, 5000, phi)
        assert ess_bulk(x) == pytest.approx(40_000 * (1 - phi) / (1 + phi), rel=0.15)


def test_monotone_maps_change_nothing_of_the_bulk():
    x = autoregressive(4, 400, 0.7)
    assert rhat(x) == pytest.approx(rhat(np.sinh(x)), abs=0.01)
    assert ess_bulk(x) == pytest.approx(ess_bulk(np.exp(x)))
    assert ess_tail(x) == pytest.approx(ess_tail(np.exp(x)), rel=0.05)


def test_rhat_tells_what_differs():
    x = autoregressive(4, 1000, 0.0)
    scale = np.array([1, 1, 1, 3.0])[:, None]
    assert rhat(x) < 1.01
    assert rhat(x + np.array([0, 0, 0, 1.0])[:, None]) > 1.05
    assert rhat(x * scale) > 1.05
    # no chain differs from another, but the first half from the second
    assert rhat(x + 2 * (np.arange(1000) < 500)) > 1.2


@pytest.mark.parametrize("statistic", STATISTICS)
def test_each_parameter_by_itself(statistic):
    x = autoregressive(4, 201, 0.5, dim=3)
    x[2, 7, 1] = np.nan
    together = statistic(x)
    assert together.shape == (3,)
    assert np.isnan(together[1])
    for k in (0, 2):
        assert together[k] == statistic(x[..., k])


@pytest.mark.parametrize("statistic", STATISTICS)
def test_constants_say_nothing(statistic):
    assert math.isnan(statistic(np.full((4, 100), 0.1)))
    assert math.isnan(statistic(torch.full((4, 100), 0.1)))
    both = statistic(torch.stack([torch.ones(4, 100), torch.randn(4, 100)], dim=-1))
    assert torch.equal(both.isnan(), torch.tensor([True, False]))


def test_chains_stuck_at_different_places_have_not_mixed():
    x = torch.arange(4.0).unsqueeze(1).expand(4, 100)
    assert rhat(x) > 100
    assert ess_bulk(x) < 10


@pytest.mark.parametrize("statistic", STATISTICS)
def test_infinite_draws_have_a_rank(statistic):
    x = autoregressive(4, 100, 0.0)
    x[0, 0] = np.inf
    assert math.isfinite(statistic(x))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_tensors_arrays_and_dtypes(statistic):
    x = torch.randn(4, 100, 2)
    result = statistic(x)
    assert isinstance(result, torch.Tensor)
    assert result.dtype == torch.float64
    array = statistic(x.numpy())
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, result.numpy())
    assert statistic(torch.randn(4, 100, 0)).shape == (0,)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("shape", [(100,), (4, 3), (0, 100), (4, 3, 5), (2, 4, 100, 1)])
def test_other_shapes_are_refused(statistic, shape):
    with pytest.raises(ShapeError, match=r"\(chains, draws, dim\)"):
        statistic(torch.zeros(shape))
