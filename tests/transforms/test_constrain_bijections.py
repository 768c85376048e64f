"""Bijections onto supports of several columns: formulas, limits, torch's own constraint maps."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import transforms as reference

import diffeo
from diffeo import transforms
from diffeo.errors import ShapeError
from diffeo.supports import circle, corr_cholesky, interval, ordered, positive, real, simplex


def _reals(*shape: int) -> torch.Tensor:
    return 2 * torch.randn(*shape, dtype=torch.float64)


def test_increments_by_hand():
    y, ladj = transforms.Increments(3)(torch.tensor([-2.0, 0.0, math.log(3.0)]))
    torch.testing.assert_close(y, torch.tensor([-2.0, -1.0, 2.0]))
    assert float(ladj) == pytest.approx(math.log(3.0))
    y, ladj = transforms.Increments(2, positive=True)(torch.tensor([math.log(2.0), 0.0]))
    torch.testing.assert_close(y, torch.tensor([2.0, 3.0]))
    assert float(ladj) == pytest.approx(math.log(2.0))


def test_stick_breaking_is_that_of_torch():
    x = _reals(50, 6)
    other = reference.StickBreakingTransform()
    y, ladj = transforms.StickBreaking(7)(x)
    torch.testing.assert_close(y, other(x), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(ladj, other.log_abs_det_jacobian(x, y), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        transforms.StickBreaking(7).inverse(y)[0], other.inv(y), rtol=1e-6, atol=1e-6
    )


def test_correlation_cholesky_is_that_of_torch():
    x = _reals(50, 10)
    other = reference.CorrCholeskyTransform()
    y, ladj = transforms.CorrelationCholesky(5)(x)
    matrix = other(x)
    torch.testing.assert_close(y.unflatten(-1, (5, 5)), matrix, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(ladj, other.log_abs_det_jacobian(x, matrix), rtol=1e-10, atol=1e-9)


def test_cholesky_factors_make_correlation_matrices():
    y, _ = transforms.CorrelationCholesky(4)(3 * torch.randn(100, 6))
    factor = y.unflatten(-1, (4, 4))
    correlation = factor @ factor.mT
    torch.testing.assert_close(
        correlation.diagonal(dim1=-2, dim2=-1), torch.ones(100, 4), rtol=1e-5, atol=1e-5
    )
    assert bool((factor.triu(1) == 0).all())


def test_zeros_go_to_the_middle():
    shares, _ = transforms.StickBreaking(5)(torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(shares, torch.full((5,), 0.2, dtype=torch.float64))
    factor, _ = transforms.CorrelationCholesky(3)(torch.zeros(3))
    assert torch.equal(factor.unflatten(-1, (3, 3)), torch.eye(3))


def test_tiny_shares_survive_the_way_to_the_reals_and_back_in_float32():
    """1 minus the sum of the others would have lost the last share."""
    y = torch.tensor([1 - 2e-12, 1e-12, 1e-12])
    again, _ = transforms.StickBreaking(3)(transforms.StickBreaking(3).inverse(y)[0])
    torch.testing.assert_close(again, y, rtol=1e-5, atol=0.0)


def test_strong_correlations_survive_the_way_to_the_reals_and_back_in_float32():
    x = torch.tensor([20.0, -10.0, 15.0])
    layer = transforms.CorrelationCholesky(3)
    y, ladj = layer(x)
    again, opposite = layer.inverse(y)
    torch.testing.assert_close(again, x, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(opposite, -ladj, rtol=1e-5, atol=1e-5)


def test_equal_neighbours_count_as_half_a_rounding_apart():
    x, ladj = transforms.Increments(2).inverse(torch.tensor([4.0, 4.0]))
    assert float(x[1]) == pytest.approx(math.log(4 * torch.finfo(torch.float32).eps / 2))
    assert float(ladj) == pytest.approx(-float(x[1]))


@pytest.mark.parametrize(
    ("layer", "outside"),
    [
        (transforms.Increments(2), [1.0, 0.5]),
        (transforms.Increments(2, positive=True), [-1.0, 0.5]),
        (transforms.StickBreaking(2), [0.7, 0.7]),
        (transforms.StickBreaking(2), [-0.5, 1.5]),
        (transforms.CorrelationCholesky(2), [1.0, 0.0, 0.8, 0.8]),
        (transforms.CorrelationCholesky(2), [1.0, 0.0, 0.8, -0.6]),
        (transforms.CorrelationCholesky(2), [1.0, 0.1, 0.8, 0.6]),
    ],
)
def test_the_ladj_is_minus_infinity_outside_and_nan_at_nan(layer, outside):
    y = torch.tensor([outside])
    assert layer.inverse(y)[1].tolist() == [-math.inf]
    for i in range(y.shape[1]):
        dirty = y.clone()
        dirty[0, i] = math.nan
        assert bool(layer.inverse(dirty)[1].isnan().all())


def test_constrain_joins_the_maps_in_order():
    x = _reals(20, 7)
    layer = transforms.Constrain([simplex(3), positive(), positive(), ordered(2), circle()])
    y, ladj = layer(x)
    assert layer.in_shape == (7,)
    assert layer.out_shape == (8,)
    shares, first = transforms.StickBreaking(3)(x[:, :2])
    steps, last = transforms.Increments(2)(x[:, 4:6])
    angle = math.pi * torch.tanh(x[:, 6:] / 2)
    torch.testing.assert_close(y, torch.cat([shares, x[:, 2:4].exp(), steps, angle], dim=-1))
    slope = (math.pi / 2 * (1 - torch.tanh(x[:, 6] / 2) ** 2)).log()
    torch.testing.assert_close(ladj, first + x[:, 2] + x[:, 3] + last + slope)


def test_constrain_leaves_angles_alone_where_asked():
    layer = transforms.Constrain([circle(), positive()], cut=False)
    assert repr(layer.domain) == "[circle(), real()]"
    y, ladj = layer(torch.tensor([3.0, 0.5]))
    torch.testing.assert_close(y, torch.tensor([3.0, math.exp(0.5)]))
    assert float(ladj) == pytest.approx(0.5)


def test_a_torus_is_so_many_circles():
    layer = transforms.Constrain([diffeo.torus(2), real()])
    assert repr(layer.codomain) == "[circle(), circle(), real()]"


class Holes(diffeo.supports.Support):
    """A support that nothing maps onto."""

    def contains(self, x):
        return x != 0

    def interior(self, like):
        return like.new_ones(())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: transforms.Constrain([]), "got none"),
        (lambda: transforms.Constrain([Holes()]), "no map from the reals"),
        (lambda: simplex(1), "Simplex: its size must be a whole number >= 2, got 1"),
        (lambda: ordered(0), "Ordered: its size must be a whole number >= 1"),
        (lambda: corr_cholesky(1), "CorrCholesky: its size"),
        (lambda: transforms.StickBreaking(1), "Simplex: its size"),
        (lambda: transforms.Increments(0), "features must be"),
        (lambda: diffeo.torus(0), "torus: its size"),
        (lambda: transforms.Constrain([simplex(3)])(torch.zeros(3)), r"events of shape \(2,\)"),
        (lambda: transforms.Constrain([simplex(3)]).inverse(torch.ones(2)), r"shape \(3,\)"),
        (lambda: diffeo.NSF(3, supports=simplex(4)), r"of 3 features .* these take 4 columns"),
        (
            lambda: diffeo.NSF(3, supports=[simplex(2), interval(0, 1), real()]),
            r"simplex\(2\) takes 2, interval\(0, 1\) takes 1, real\(\) takes 1",
        ),
        (lambda: diffeo.NSF(1, supports=["positive"]), "objects such as diffeo.positive"),
    ],
)
def test_errors_say_what_was_given(build, message):
    with pytest.raises(ShapeError, match=message):
        build()
