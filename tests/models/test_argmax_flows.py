"""Argmax flows of sequences: probabilities that add up, draws that agree with them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import DataError, ShapeError
from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.models.sequences.argmax_autoregressive import any_order_likelihood
from diffeo.models.sequences.orders import drawn_given
from diffeo.surjections import Argmax, BinaryArgmax

NAN = math.nan
TINY: dict[str, Any] = {"dim": 8, "layers": 2, "heads": 2}


def _flow(length: int = 4, symbols: int = 3, **options: Any) -> ArgmaxAutoregressive:
    """One whose probabilities differ."""
    model = ArgmaxAutoregressive(length, symbols, near=2, seed=0, **TINY, **options)
    return perturbed(model, seed=1).double()


def _all(length: int = 4, symbols: int = 3) -> Tensor:
    rows = itertools.product(range(symbols), repeat=length)
    return torch.tensor(list(rows), dtype=torch.float64)


def _shares(samples: Tensor, symbols: int = 3) -> Tensor:
    """How often each sequence was drawn, in the order of ``_all``."""
    powers = symbols ** torch.arange(samples.shape[1] - 1, -1, -1)
    index = (samples.long() * powers).sum(1)
    return torch.bincount(index, minlength=symbols ** samples.shape[1]) / len(samples)


@torch.no_grad()
def test_probabilities_of_all_sequences_add_up() -> None:
    log_prob = _flow(periods=(2,)).log_prob(_all())
    assert float(log_prob.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert float(log_prob.exp().std()) > 1e-3


@torch.no_grad()
def test_samples_are_as_frequent_as_they_are_probable() -> None:
    flow = _flow()
    shares = _shares(flow.sample(40_000, seed=0))
    expected = flow.log_prob(_all()).exp()
    z = (shares - expected) / (expected * (1 - expected) / 40_000).sqrt()
    assert float(z.abs().max()) < 4.5


@torch.no_grad()
def test_draws_of_what_is_not_given_follow_log_prob_given() -> None:
    flow = _flow()
    given = torch.tensor([False, True, False, True])
    whole = _all()
    log_prob = flow.log_prob_given(whole, given)
    sums = log_prob.exp().reshape(3, 3, 3, 3).sum((0, 2))
    assert torch.allclose(sums, torch.ones_like(sums))
    drawn = flow.sample(20_000, given=torch.tensor([NAN, 2.0, NAN, 1.0]).double(), seed=0)
    assert drawn[:, [1, 3]].unique(dim=0).tolist() == [[2.0, 1.0]]
    here = (whole[:, 1] == 2) & (whole[:, 3] == 1)
    expected = log_prob[here].exp()
    z = (_shares(drawn)[here] - expected) / (expected * (1 - expected) / 20_000).sqrt()
    assert float(z.abs().max()) < 4.5


@torch.no_grad()
def test_rows_with_other_holes_are_filled_side_by_side() -> None:
    flow = _flow()
    rows = torch.tensor([[1, NAN, NAN, 2], [NAN, NAN, NAN, NAN], [0, 1, 2, NAN]]).double()
    together = flow.sample((), given=rows, temperature=0)
    apart = torch.stack([flow.sample((), given=row, temperature=0) for row in rows])
    assert torch.equal(together, apart)
    assert together[0, [0, 3]].tolist() == [1, 2]
    assert together[2, :3].tolist() == [0, 1, 2]


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"recurrent": 2}])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_samples_are_the_argmax_of_shifts_and_noise(
    options: dict[str, Any], temperature: float
) -> None:
    flow = _flow(**options)
    drawn = flow.sample(50, temperature=temperature, seed=3)
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand((50, 4, 3), generator=generator, dtype=torch.float64)
    noise = -(-uniform.log()).log()
    found = torch.full((50, 4), NAN).double()
    for t in range(4):
        # from the start, without keys, values and states that are kept
        each = []
        for k in range(3):
            found[:, t] = k
            each.append(flow.log_prob(found))
        found[:, t] = (torch.stack(each, 1) + temperature * noise[:, t]).argmax(1).double()
    assert torch.equal(drawn, found)


@torch.no_grad()
def test_the_first_symbols_alone_have_their_marginal() -> None:
    flow = _flow()
    marginal = flow.log_prob(_all()).exp().reshape(3, 3, 9).sum(2)
    rows = torch.cat([_all(2), torch.full((9, 2), NAN).double()], dim=1)
    assert torch.allclose(flow.log_prob(rows).exp(), marginal.flatten())
    assert float(flow.log_prob(torch.full((4,), NAN).double())) == 0


@torch.no_grad()
def test_conditionals_add_up_to_log_prob() -> None:
    flow, whole = _flow(), _all()
    assert torch.allclose(flow.conditionals(whole).sum(1), flow.log_prob(whole))
    given = torch.tensor([False, True, False, True])
    each = flow.conditionals(whole, given=given)
    assert torch.allclose(each[:, ~given].sum(1), flow.log_prob_given(whole, given))
    # those given do not depend on what comes after them
    assert each[:, 1].reshape(3, 3, 9).std((0, 2)).max() < 1e-12


class _Latents(Density):
    """The density of v whose argmax the flow models: Gumbel variables, moved symbol by symbol."""

    def __init__(self, flow: ArgmaxAutoregressive) -> None:
        count = len(flow.alphabet)
        super().__init__((flow.event_shape[0] * count,))
        self.flow = flow
        self.count = count

    def _shifts(self, v: Tensor) -> Tensor:
        """The shifts at each v, from log-probabilities of all first symbols."""
        x = v.unflatten(-1, (-1, self.count)).argmax(-1).to(v)
        shifts = []
        for t in range(x.shape[-1]):
            start = x.clone()
            start[..., t:] = NAN
            each = [
                torch.where(torch.arange(x.shape[-1]) == t, float(k), start)
                for k in range(self.count)
            ]
            shifts.append(torch.stack([self.flow.log_prob(row) for row in each], -1))
        return torch.stack(shifts, -2).log_softmax(-1).flatten(-2)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        away = x - self._shifts(x)
        return (-away - (-away).exp()).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        raise NotImplementedError


@torch.no_grad()
def test_the_bound_of_the_explicit_surjection_closes_in_on_the_exact_log_prob() -> None:
    flow = _flow(2)
    argmax = Argmax([diffeo.categories(3)] * 2, hidden=(8,)).double()
    explicit = diffeo.SurjectiveFlow(_Latents(flow), argmax).double()
    whole = _all(2)
    exact = flow.log_prob(whole)
    one = torch.stack([explicit.log_prob(whole, seed=seed) for seed in range(50)]).mean(0)
    many = explicit.log_prob(whole, num_samples=4_000, seed=0)
    assert float((many - exact).abs().max()) < 0.1
    assert bool((one < exact - 0.1).all())


@torch.no_grad()
def test_latents_are_draws_of_the_posterior() -> None:
    flow = _flow(2)
    x = flow.sample(20_000, seed=0)
    v = flow.latents(x, seed=1)
    assert torch.equal(v.argmax(-1).double(), x)
    # over x and v | x together, v is its shift and Gumbel noise
    noise = v.flatten(1) - _Latents(flow)._shifts(v.flatten(1))
    # the shift is known up to a constant that all share, which differences do not feel
    first = (noise[:, 1] - noise[:, 0]).sort().values
    expected = torch.sigmoid(first)  # the difference of two is logistic
    found = (torch.arange(20_000) + 0.5) / 20_000
    assert float((found - expected).abs().max()) < 1.95 / math.sqrt(20_000)


@pytest.mark.parametrize("groups", [1, 2])
def test_training_draws_orders_and_judging_does_not(groups: int) -> None:
    flow = _flow(groups=groups, any_order=0.5)
    x = flow.sample(50, seed=0)
    flow.eval()
    natural = float(any_order_likelihood(flow, x).detach())
    assert natural == pytest.approx(-float(flow.log_prob(x).mean().detach()))
    flow.train()
    losses = {float(any_order_likelihood(flow, x).detach()) for _ in range(3)}
    assert len(losses | {natural}) == 4
    flow.any_order = 0.0
    assert float(any_order_likelihood(flow, x).detach()) == pytest.approx(natural)


def test_gradients_are_those_of_the_mean_over_rows() -> None:
    flow = _flow()
    x = flow.sample(6, seed=0)
    loss = any_order_likelihood(flow.eval(), x, weight=torch.arange(6.0).double())
    expected = -(torch.arange(6.0).double() * flow.log_prob(x)).mean()
    parameters = [p for p in flow.parameters() if p.requires_grad]
    for found, wanted in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        assert torch.allclose(found, wanted)


def test_what_is_given_in_training_is_spans_shares_and_voices() -> None:
    like = torch.zeros(4_000, 8)
    given = drawn_given(like, 2, 0.5)
    some = given.any(1)
    assert 0.35 < float(some.float().mean()) < 0.5  # a drawn set may be empty
    assert not drawn_given(like, 2, 0.0).any()
    voice = (given[:, ::2].all(1) & ~given[:, 1::2].any(1)).float().mean()
    assert float(voice) > 0.02
    span = torch.tensor([True, True, False, False, False, True, True, True])
    assert (drawn_given(like, 1, 1.0) == span).all(1).any()


def test_order_can_be_learned() -> None:
    """The first symbol decides the others: two bits at first, then nothing is left to learn."""
    x = torch.randint(0, 4, (400, 1)).expand(-1, 4).float()
    flow = ArgmaxAutoregressive(4, 4, dim=16, layers=1, any_order=0.5, seed=0)
    flow.fit(x, epochs=12, batch_size=50, lr=0.01, clip=4.0, progress=False)
    bits = -flow.log_prob(x).detach().mean() / math.log(2)
    assert float(bits) < 2.1
    drawn = flow.sample(20, given=torch.tensor([NAN, NAN, NAN, 3.0]), seed=0)
    assert float((drawn == 3).float().mean()) > 0.9


@torch.no_grad()
def test_numpy_in_numpy_out_and_pieces_of_any_size() -> None:
    flow = _flow(context=2)
    context = np.ones((3, 2))
    known = np.array([1.0, NAN, NAN, NAN])
    x = flow.sample(5, context, given=known, seed=0)
    assert isinstance(x, np.ndarray)
    assert x.shape == (5, 3, 4)
    assert np.array_equal(x, flow.sample(5, context, given=known, seed=0, chunk_size=2))
    assert isinstance(flow.log_prob_given(x, np.isfinite(known), context), np.ndarray)
    assert not np.array_equal(x, flow.sample(5, context, given=known, seed=1))


def test_names_of_symbols_come_back_from_a_file(tmp_path: Any) -> None:
    for model in (_flow(symbols=3), ArgmaxCoupling(4, "xyz", couplings=2, **TINY, seed=0)):
        model.save(tmp_path / "m.safetensors")
        again: Any = diffeo.load(tmp_path / "m.safetensors")
        assert again.alphabet == model.alphabet
        x = model.sample(5, seed=0)
        assert torch.equal(again.sample(5, seed=0), x)


def test_errors_name_what_is_wrong() -> None:
    flow = ArgmaxAutoregressive(4, "abc", **TINY)
    with pytest.raises(DataError, match=r"given holds 3 at \[1\], .* from 0 to 2"):
        flow.sample(given=torch.tensor([0.0, 3.0, NAN, NAN]))
    with pytest.raises(ShapeError, match=r"expected events of shape \(4,\)"):
        flow.sample(given=torch.zeros(5))
    with pytest.raises(ValueError, match="temperature must be a finite number >= 0, got -1"):
        flow.sample(temperature=-1)
    with pytest.raises(ShapeError, match="given must hold booleans"):
        flow.log_prob_given(torch.zeros(2, 4), torch.zeros(4))
    with pytest.raises(ShapeError, match="at least 2 symbols, each once, got 'aa'"):
        ArgmaxAutoregressive(4, "aa", **TINY)
    with pytest.raises(ShapeError, match="heads must divide dim"):
        ArgmaxAutoregressive(4, "ab", dim=9, heads=2)
    with pytest.raises(ValueError, match=r"any_order must be in \[0, 1\]"):
        ArgmaxAutoregressive(4, "ab", any_order=2.0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        ArgmaxAutoregressive(4, "ab", dropout=1.0)
    with pytest.raises(ShapeError, match="at least 2 symbols"):
        ArgmaxCoupling(1, "ab")
    with pytest.raises(DataError, match="'d' at position 1, which is not one of the 3 symbols"):
        flow.codes_of("ad")
    with pytest.raises(DataError, match="'!' at line 2, column 1"):
        flow.codes_of("ab\n!", hole="\n")


# -- couplings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("symbols", [2, 3, 5, 8])
def test_every_number_stands_for_a_symbol_and_every_symbol_for_some(symbols: int) -> None:
    layer = BinaryArgmax(1, symbols, dim=8, layers=1)
    signs = itertools.product((-1.0, 1.0), repeat=layer.digits)
    x = layer(torch.tensor(list(signs)))
    assert x.unique().tolist() == list(range(symbols))
    again = layer(layer.inverse(x)[0])
    assert torch.equal(again, x)


def test_a_far_symbol_keeps_its_sign_where_the_softplus_is_lost() -> None:
    layer = BinaryArgmax(2, 4, dim=8, layers=1)
    with torch.no_grad():
        layer.proposal.output.bias.fill_(-300.0)
    x = torch.tensor([[0.0, 3.0], [2.0, 1.0]])
    z, contribution = layer.inverse(x)
    assert torch.equal(layer(z), x)
    assert bool(contribution.isfinite().all())


def test_couplings_are_given_every_number_by_others() -> None:
    """What a coupling moves depends on what others keep, at all positions."""
    flow: Any = perturbed(ArgmaxCoupling(4, 5, couplings=8, **TINY, seed=0)).double()
    z = torch.randn(1, 12).double()
    reach = torch.autograd.functional.jacobian(lambda z: flow.density.transform(z)[0][0], z)[:, 0]
    assert bool((reach.abs() > 0).all())


def test_a_coupling_flow_learns() -> None:
    x = torch.randint(0, 4, (400, 1)).expand(-1, 2).float()
    flow = ArgmaxCoupling(2, 4, couplings=4, dim=16, layers=1, seed=0)
    before = -float(flow.log_prob(x, num_samples=20, seed=0).detach().mean())
    flow.fit(x, epochs=10, batch_size=50, lr=0.01, clip=2.0, progress=False)
    after = -float(flow.log_prob(x, num_samples=20, seed=0).detach().mean())
    assert after < before - 0.5
    drawn = flow.sample(200, seed=0)
    assert float((drawn[:, 0] == drawn[:, 1]).float().mean()) > 0.5
