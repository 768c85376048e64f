"""What surjections do, beside closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit.calculus import autograd_ladj
from diffeo.bases import BoxUniform, DiagonalNormal, StandardNormal
from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.surjections import (
    Argmax,
    Augment,
    Slice,
    UniformDequantization,
    VariationalDequantization,
)
from diffeo.surjections.argmax import _threshold

DRAWS = 40_000
RHO = 0.6


class _Given(Density):
    """a | x ~ N(rho x, 1 - rho^2), as in a normal pair of correlation rho."""

    def __init__(self) -> None:
        super().__init__((1,), 1)

    def _normal(self, context: Tensor) -> torch.distributions.Normal:
        return torch.distributions.Normal(RHO * context, math.sqrt(1 - RHO**2))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self._normal(context).log_prob(x)[..., 0]

    def _rsample(self, draw):
        noise = draw.normal(self.event_shape, draw.context)
        return self._normal(draw.context).mean + math.sqrt(1 - RHO**2) * noise


class _Constant(Density):
    """Always the same fraction."""

    def __init__(self, value: float) -> None:
        super().__init__((1,), 1)
        self.value = value
        self.support = diffeo.interval(0.0, 1.0)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return torch.zeros_like(x[..., 0])

    def _rsample(self, draw):
        return torch.full((*draw.batch, 1), self.value, dtype=draw.context.dtype)


def _below(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)


# dequantisation


def test_probability_of_an_integer_is_the_mass_of_its_cell() -> None:
    flow = diffeo.SurjectiveFlow(StandardNormal(1), UniformDequantization([diffeo.integers()]))
    x = torch.arange(-3.0, 3.0)[:, None]
    found = flow.log_prob(x, num_samples=DRAWS, seed=0).exp()
    torch.testing.assert_close(found, (_below(x + 1) - _below(x))[:, 0], rtol=0.02, atol=0)


def test_a_uniform_density_gives_equal_probabilities_without_error() -> None:
    flow = diffeo.SurjectiveFlow(
        BoxUniform(1, 0.0, 21.0), UniformDequantization([diffeo.integers(-10, 10)])
    )
    x = torch.arange(-10.0, 11.0)[:, None]
    torch.testing.assert_close(flow.log_prob(x), torch.full((21,), -math.log(21)))


def test_fractions_fill_the_cell_and_other_columns_stay() -> None:
    layer = UniformDequantization([diffeo.real(), diffeo.integers(5, 9), diffeo.categories(3)])
    x = torch.tensor([0.25, 7.0, 2.0]).expand(10_000, 3)
    z, contribution = layer.inverse(x)
    assert torch.equal(z[:, [0, 2]], x[:, [0, 2]])
    # from the low end: 7 is the third of 5..9
    fractions = z[:, 1] - 2
    assert 0 < fractions.min() < 1e-3
    assert 1 - 1e-3 < fractions.max() < 1
    assert fractions.mean().item() == pytest.approx(0.5, abs=0.012)
    assert torch.equal(contribution.abs(), torch.zeros(10_000))


@pytest.mark.parametrize("fraction", [0.0, 1.0])
@pytest.mark.parametrize("value", [0.0, 1.0, 20.0, 2.0**22, 2.0**24])
def test_a_fraction_that_rounds_away_does_not_leave_its_cell(fraction: float, value: float) -> None:
    layer = VariationalDequantization([diffeo.integers(0)], proposal=_Constant(fraction))
    z, _ = layer.inverse(torch.tensor([[value]]))
    assert layer.domain.contains(z).all()
    assert layer(z).item() == value


def test_what_a_density_puts_beyond_the_ends_counts_for_them() -> None:
    layer = UniformDequantization([diffeo.integers(2, 4)])
    x = layer(torch.tensor([[-5.0], [0.5], [2.5], [3.0], [90.0]]))
    assert x[:, 0].tolist() == [2.0, 2.0, 4.0, 4.0, 4.0]


def test_domains_of_integers() -> None:
    layer = UniformDequantization([diffeo.integers(), diffeo.integers(3), diffeo.integers(3, 5)])
    assert repr(layer.domain) == "[real(), positive(), interval(0, 3)]"
    assert repr(layer.codomain) == "[integers(), integers(3), integers(3, 5)]"


def test_variational_dequantisation_starts_uniform() -> None:
    layer = VariationalDequantization([diffeo.integers(0, 9)])
    z, contribution = layer.inverse(torch.full((5000, 1), 4.0))
    torch.testing.assert_close(contribution, torch.zeros(5000), atol=1e-5, rtol=0)
    spread = (z - 4).sort(0).values[:, 0] - torch.linspace(0, 1, 5000)
    # Kolmogorov's statistic at the 0.001 level
    assert spread.abs().max() < 1.95 / math.sqrt(5000)


def test_a_proposal_must_draw_fractions() -> None:
    supports = [diffeo.integers(0, 9)]
    with pytest.raises(ValueError, match=r"within interval\(0, 1\), but it is real"):
        VariationalDequantization(supports, proposal=diffeo.NSF(1, context=1))
    with pytest.raises(ShapeError, match="1 features given a context of width 1, got a NSF"):
        VariationalDequantization(supports, proposal=diffeo.NSF(1, supports=diffeo.interval(0, 1)))
    with pytest.raises(ShapeError, match="at least one integers"):
        UniformDequantization([diffeo.real()])
    with pytest.raises(ShapeError, match="one support for each column"):
        UniformDequantization([])
    layer = UniformDequantization([diffeo.integers()])
    bound = diffeo.SurjectiveFlow(diffeo.NSF(1, context=1), layer)
    with pytest.raises(ValueError, match="log_prob of the given SurjectiveFlow is a bound"):
        Augment(1, 1, proposal=bound)


# argmax


def test_probability_of_a_category_is_that_of_the_largest_normal() -> None:
    shift = 0.7
    density = DiagonalNormal(2, loc=[0.0, shift])
    flow = diffeo.SurjectiveFlow(density, Argmax([diffeo.categories(2)]))
    found = flow.log_prob(torch.tensor([[0.0], [1.0]]), num_samples=DRAWS, seed=0).exp()
    second = _below(torch.tensor(shift / math.sqrt(2)))
    torch.testing.assert_close(found, torch.stack([1 - second, second]), rtol=0.02, atol=0)


def test_threshold_is_the_papers_and_its_jacobian_autograds() -> None:
    w = torch.randn(50, 4, dtype=torch.float64) * 2
    chosen = torch.nn.functional.one_hot(torch.arange(50) % 4, 4).double()
    z, ladj = _threshold(w, chosen)
    for row in range(50):
        label = row % 4
        best = w[row, label].item()
        expected = [
            best if k == label else best - math.log1p(math.exp(best - w[row, k].item()))
            for k in range(4)
        ]
        assert z[row].tolist() == pytest.approx(expected, rel=1e-12)
    truth = torch.stack(
        [
            autograd_ladj(lambda one, c=c: _threshold(one, c)[0], point[None])[0]
            for point, c in zip(w, chosen, strict=True)
        ]
    )
    torch.testing.assert_close(ladj, truth)


@pytest.mark.parametrize("ahead", [-1e4, -200.0, -40.0, 0.0, 200.0])
def test_the_chosen_label_wins_whatever_the_noise(ahead: float) -> None:
    w = torch.tensor([[5.0, 5.0 - ahead, 5.0 - ahead]])
    for label in range(3):
        chosen = torch.nn.functional.one_hot(torch.tensor([label]), 3).float()
        z, ladj = _threshold(w, chosen)
        assert z.argmax(-1).item() == label
        assert (z == z.max()).sum() == 1
        assert ladj.isfinite().all()


def test_argmax_widens_in_place() -> None:
    layer = Argmax([diffeo.categories(2), diffeo.real(), diffeo.categories(3)])
    assert (layer.in_shape, layer.out_shape) == ((6,), (3,))
    z, _ = layer.inverse(torch.tensor([[1.0, 0.5, 2.0]]))
    assert z[0, 1] > z[0, 0]
    assert z[0, 2] == 0.5
    assert z[0, 3:].argmax() == 2
    assert torch.equal(layer(z), torch.tensor([[1.0, 0.5, 2.0]]))
    with pytest.raises(ShapeError, match=r"none of .* is categorical"):
        Argmax([diffeo.integers(0, 3)])


def test_columns_of_a_simplex_pass_through() -> None:
    layer = Argmax([diffeo.simplex(3), diffeo.categories(2)])
    assert (layer.in_shape, layer.out_shape) == ((5,), (4,))
    x = torch.tensor([[0.2, 0.3, 0.5, 1.0]])
    z, _ = layer.inverse(x)
    assert torch.equal(z[:, :3], x[:, :3])
    assert torch.equal(layer(z), x)


# slices and further columns


def _pair() -> torch.distributions.MultivariateNormal:
    covariance = torch.tensor([[1.0, RHO], [RHO, 1.0]], dtype=torch.float64)
    return torch.distributions.MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance)


@pytest.mark.parametrize("keep", [0, 1])
def test_a_sliced_normal_pair(keep: int) -> None:
    flow = diffeo.SurjectiveFlow(StandardNormal(1), Slice(2, [keep], density=_Given())).double()
    x = torch.randn(20, 2, dtype=torch.float64)
    assert flow.exactness == "exact"
    torch.testing.assert_close(flow.log_prob(x), _pair().log_prob(x))
    drawn = flow.sample(20_000, seed=0)
    assert torch.corrcoef(drawn.T)[0, 1].item() == pytest.approx(RHO, abs=0.02)


def test_an_augmented_pair_with_the_true_posterior_has_no_gap() -> None:
    joint = diffeo.bases.MultivariateNormal(2, covariance=[[1.0, RHO], [RHO, 1.0]])
    flow = diffeo.SurjectiveFlow(joint, Augment(1, 1, proposal=_Given())).double()
    x = torch.randn(20, 1, dtype=torch.float64)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x)[:, 0]
    # the covariance is held in float32
    for count in (1, 5):
        torch.testing.assert_close(
            flow.log_prob(x, num_samples=count), expected, atol=1e-6, rtol=1e-6
        )


@pytest.mark.parametrize("keep", [[], [0, 1], [0, 0], [2], [-1]])
def test_a_slice_keeps_some_columns(keep: list[int]) -> None:
    with pytest.raises(ShapeError, match="some but not all of the columns"):
        Slice(2, keep)


def test_sizes_of_augment() -> None:
    with pytest.raises(ShapeError, match="Augment: extra"):
        Augment(2, 0)
    with pytest.raises(ShapeError, match="whole number"):
        Augment(0, 1)


def test_proposals_see_standardised_rows_one_hot() -> None:
    supports = [diffeo.real(), diffeo.integers(0), diffeo.categories(3)]
    layer = VariationalDequantization(supports, context=2)
    rows = torch.stack(
        [torch.randn(500) * 1e4, torch.arange(500.0), torch.arange(500.0) % 3], dim=1
    )
    context = torch.randn(500, 2) + 100
    layer.initialize(rows, context)
    standardize = layer.proposal.standardize
    assert standardize.mean.tolist() == pytest.approx(
        [rows[:, 0].mean().item(), 249.5, 1 / 3, 1 / 3, 1 / 3, *context.mean(0).tolist()], abs=1e-2
    )
    with pytest.raises(diffeo.errors.ContextError):
        layer.inverse(rows)
