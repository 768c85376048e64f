"""Rows in chunks: the same results, and never more rows at once than allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import Tensor, nn

import diffeo
from diffeo import bases, chunks
from diffeo.density import Density
from diffeo.surjections import Argmax, Slice, UniformDequantization
from diffeo.transforms import Coupling, Elementwise, Sequential
from diffeo.univariates import Affine, Exp, MonotoneNetwork

SIZES = [2, 7, 1000]
C = 3


def moved(density: Density) -> Density:
    """In float64 and away from its start, where much would cancel."""
    density = density.double().eval()
    with torch.no_grad():
        for p in density.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return density


def flow(context: int = 0, seed: int = 0) -> diffeo.Flow:
    return diffeo.RealNVP(2, layers=2, hidden=(8,), context=context, seed=seed)


def embedded(context: int = 0) -> diffeo.Flow:
    """A flow on a flow, and a network for the context where there is one."""
    base = flow(2 if context else 0)
    network = nn.Linear(context, 2) if context else None
    transform = Coupling(2, Affine(), context=2 if context else 0, hidden=(8,))
    return diffeo.Flow(base, transform, embedding=network, context=context)


DENSITIES: dict[str, Callable[[int], Density]] = {
    "flow": flow,
    "flow on a flow": embedded,
    "positive": lambda context: diffeo.RealNVP(
        2, layers=1, hidden=(8,), supports=diffeo.positive(), context=context, seed=0
    ),
    "mixture base": lambda context: diffeo.Flow(
        bases.GaussianMixture(2, 3, context=context, hidden=(8,), seed=0),
        Coupling(2, Affine(), hidden=(8,)),
    ),
    "base": lambda context: bases.DiagonalNormal(2, context=context, hidden=(8,)),
    "product": lambda context: bases.Product(
        bases.StudentT(1, context=context, hidden=(8,)), bases.StandardNormal(1)
    ),
    "mixture": lambda context: diffeo.Mixture(flow(context), flow(context, 1)),
    "ensemble": lambda context: diffeo.Ensemble(flow(context), flow(context, 1)),
    "exact surjections": lambda context: diffeo.SurjectiveFlow(
        flow(context), Coupling(2, Affine(), context=context, hidden=(8,))
    ),
}


@pytest.fixture(params=DENSITIES)
def make(request: pytest.FixtureRequest) -> Callable[[int], Density]:
    build = DENSITIES[request.param]
    return lambda context=0: moved(build(context))


def same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_log_prob_and_score_do_not_depend_on_the_size(
    make: Callable[[int], Density], size: int
) -> None:
    density = make(0)
    x = torch.rand(5, 11, 2, dtype=torch.float64)
    x[1, 2, 0], x[4, 0, 1], x[2, 3, 0] = math.nan, math.inf, -math.inf
    whole = density.log_prob(x)
    with torch.no_grad():
        same(density.log_prob(x, chunk_size=size).nan_to_num(7.0), whole.nan_to_num(7.0))
    finite = torch.rand(23, 2, dtype=torch.float64)
    same(density.score(finite, chunk_size=size), density.score(finite))


@pytest.mark.parametrize("size", SIZES)
def test_contexts_that_broadcast(make: Callable[[int], Density], size: int) -> None:
    density = make(C)
    for batch, given in [
        ((7,), ()),
        ((7,), (7,)),
        ((1,), (7,)),
        ((6, 5), (5,)),
        ((6, 5), (6, 1)),
        ((6, 1, 5), (2, 1)),
        ((4, 3), (4, 3)),
        ((), (9,)),
    ]:
        x = torch.rand(*batch, 2, dtype=torch.float64)
        c = torch.randn(*given, C, dtype=torch.float64)
        same(density.log_prob(x, c, chunk_size=size), density.log_prob(x, c))
        same(density.score(x, c, chunk_size=size), density.score(x, c))


@pytest.mark.parametrize("size", SIZES)
def test_one_seed_draws_the_same_samples_whatever_the_size(
    make: Callable[[int], Density], size: int
) -> None:
    plain, given = make(0), make(C)
    cases: list[tuple[Density, Any, tuple[int, ...] | None]] = [
        (plain, 23, None),
        (plain, (5, 4), None),
        (plain, (), None),
        (given, 23, ()),
        (given, 6, (5,)),
        (given, (), (19,)),
        (given, (3, 2), (2, 3)),
    ]
    for density, n, batch in cases:
        c = None if batch is None else torch.randn(*batch, C, dtype=torch.float64)
        whole = density.sample(n, c, seed=3)
        same(density.sample(n, c, seed=3, chunk_size=size), whole)
        x, log_prob = density.sample_and_log_prob(n, c, seed=3, chunk_size=size)
        same(x, whole)
        same(log_prob, density.log_prob(whole, c).detach())
        if density.has_rsample:
            same(density.rsample(n, c, seed=3).detach(), whole)


def test_arrays_frames_and_empty_batches(make: Callable[[int], Density]) -> None:
    density = make(0)
    array = np.random.default_rng(0).random((10, 2))
    whole = density.log_prob(torch.as_tensor(array)).detach().numpy()
    for x in (array, pandas.DataFrame(array, columns=["a", "b"]), array.tolist()):
        found = density.log_prob(x, chunk_size=3)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, whole, rtol=1e-12)
        assert isinstance(density.score(x, chunk_size=3), np.ndarray)
    assert density.log_prob(array[:0], chunk_size=3).shape == (0,)
    assert density.score(array[:0], chunk_size=3).shape == (0, 2)
    assert density.sample(0, chunk_size=3).shape == (0, 2)
    given = make(C)
    assert isinstance(given.sample(9, np.zeros((2, C)), chunk_size=4), np.ndarray)


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", True, (1,)])
def test_sizes_that_are_none(size: Any) -> None:
    density, x = flow(), torch.zeros(3, 2)
    message = "chunk_size must be a whole number >= 1"
    for call in (density.log_prob, density.score):
        with pytest.raises(ValueError, match=message):
            call(x, chunk_size=size)
    for draw in (density.sample, density.sample_and_log_prob):
        with pytest.raises(ValueError, match=message):
            draw(3, chunk_size=size)
    with pytest.raises(ValueError, match=message):
        bounded().log_prob(torch.ones(3, 1), chunk_size=size)
    same(density.log_prob(x, chunk_size=np.int64(1)), density.log_prob(x))


class Counted(Elementwise):
    """An affine layer that writes down how many rows it was given."""

    def __init__(self, context: int = 0) -> None:
        super().__init__(2, Affine(), context=context, hidden=(8,))
        self.rows: list[int] = []

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.rows.append(x[..., 0].numel())
        return super().forward(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.rows.append(y[..., 0].numel())
        return super().inverse(y, context)


def wraps(layer: Counted) -> dict[str, Density]:
    inner = diffeo.Flow(bases.StandardNormal(2), layer)
    still = Elementwise(2, Affine())
    return {
        "flow": inner,
        "base": diffeo.Flow(inner, still),
        "product": bases.Product(inner),
        "mixture": diffeo.Mixture(inner),
        "surjective": diffeo.SurjectiveFlow(bases.StandardNormal(2), layer),
    }


@pytest.mark.parametrize("kind", wraps(Counted()))
def test_no_layer_sees_more_rows_and_all_see_each_once(kind: str) -> None:
    layer = Counted()
    density = wraps(layer)[kind]
    x = torch.randn(5, 10, 2)
    for call, times in [
        (lambda: density.log_prob(x, chunk_size=8), 1),
        (lambda: density.score(x, chunk_size=8), 1),
        (lambda: density.sample((5, 10), chunk_size=8), 1),
        (
            lambda: density.sample_and_log_prob(50, chunk_size=8),
            1 if kind in ("flow", "base") else 2,
        ),
    ]:
        layer.rows.clear()
        call()
        assert sum(layer.rows) == 50 * times
        assert 2 < max(layer.rows) <= 8


def test_draws_of_a_bound_count_as_rows() -> None:
    layer = Counted()
    base = diffeo.Flow(bases.StandardNormal(2), layer)
    spread = diffeo.SurjectiveFlow(base, UniformDequantization([diffeo.integers(), diffeo.real()]))
    spread.log_prob(torch.zeros(11, 2), num_samples=6, chunk_size=20)
    assert sum(layer.rows) == 66
    assert max(layer.rows) <= 20


def test_contexts_are_embedded_about_once() -> None:
    seen: list[int] = []

    class Network(nn.Linear):
        def forward(self, c: Tensor) -> Tensor:
            seen.append(len(c))
            return super().forward(c)

    layer = Counted(2)
    density = diffeo.Flow(bases.StandardNormal(2), layer, embedding=Network(C, 2), context=C)
    density.sample(100, torch.randn(60, C), chunk_size=50)
    assert sum(seen) == 60
    assert max(seen) <= 50
    seen.clear()
    # columns of 50 rows that share a context, not 50 contexts at a time
    density.log_prob(torch.randn(100, 60, 2), torch.randn(60, C), chunk_size=50)
    assert sum(seen) == 2 * 60


# the size that is chosen


def automatic(monkeypatch: pytest.MonkeyPatch) -> tuple[diffeo.Flow, Counted]:
    """A flow for which 20 rows are the most at once."""
    monkeypatch.setattr("diffeo.density.SMALL", 10)
    monkeypatch.setattr("diffeo.density.rows_at_once", lambda *args, graph=False: 20)
    layer = Counted()
    return diffeo.Flow(bases.StandardNormal(2), layer), layer


def test_many_rows_come_in_chunks_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    density, layer = automatic(monkeypatch)
    x = torch.randn(50, 2)
    for call in (
        lambda: density.log_prob(x.numpy()),
        lambda: density.score(x),
        lambda: density.sample(50),
        lambda: density.sample_and_log_prob(50),
    ):
        layer.rows.clear()
        call()
        assert layer.rows == [17, 17, 16]
    layer.rows.clear()
    with torch.no_grad():
        density.log_prob(x)
        density.log_prob(x[:5])
    assert layer.rows == [17, 17, 16, 5]


def test_a_graph_is_made_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    density, layer = automatic(monkeypatch)
    x = torch.randn(50, 2)
    density.log_prob(x)
    density.score(x.clone().requires_grad_())
    density.requires_grad_(False)
    density.log_prob(x.clone().requires_grad_())
    assert layer.rows == [50] * 3
    # now nothing is recorded
    density.log_prob(x)
    assert layer.rows[3:] == [17, 17, 16]


def test_gradients_pass_through_chunks_that_are_asked_for() -> None:
    density = moved(flow())
    x = torch.randn(23, 2, dtype=torch.float64, requires_grad=True)
    wanted = [x, *density.parameters()]
    found, expected = (
        torch.autograd.grad(density.log_prob(x, chunk_size=size).sum(), wanted)
        for size in (5, None)
    )
    same(found, expected)
    twice = [
        torch.autograd.grad(density.score(x, chunk_size=size).square().sum(), x)[0]
        for size in (5, None)
    ]
    same(twice[0], twice[1])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # of jvp
def test_transforms_of_functions_see_through_chunks() -> None:
    density = moved(flow())
    x = torch.randn(4, 9, 2, dtype=torch.float64)
    each = torch.func.vmap(lambda rows: density.log_prob(rows, chunk_size=4))(x)
    same(each, density.log_prob(x))
    slope = torch.func.jacrev(lambda rows: density.log_prob(rows, chunk_size=4).sum())(x[0])
    same(slope, density.score(x[0]))
    direction = torch.randn_like(x[0])
    with torch.no_grad():
        _, along = torch.func.jvp(
            lambda rows: density.log_prob(rows, chunk_size=4), (x[0],), (direction,)
        )
    same(along, (density.score(x[0]) * direction).sum(-1))


def test_compiled_code_holds_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    density, layer = automatic(monkeypatch)
    compiled = torch.compile(density, fullgraph=True, backend="eager")
    x = torch.randn(50, 2)
    with torch.no_grad():
        same(compiled(x), density(x))
    assert layer.rows[0] == 50


def test_the_estimate_grows_with_what_a_row_needs() -> None:
    like = torch.zeros(())
    narrow, wide = (
        Sequential(*(Coupling(4, Affine(), hidden=(width, width)) for _ in range(3)))
        for width in (64, 1024)
    )
    count = lambda part, like=like, **options: chunks.rows_at_once(part, (4,), like, **options)  # noqa: E731
    # 12 arrays of 4 bytes a number
    assert count(wide) == chunks.LEAST == 4096
    assert count(narrow) == 128 * 2**20 // (12 * 64 * 4)
    assert count(narrow, like.double()) == count(narrow) // 2
    assert count(narrow, graph=True) < count(narrow) / 5
    # a GPU has no such caches
    assert count(wide, like.to("meta")) == 256 * 2**20 // (12 * 1024 * 4)
    # two numbers for each of two features, or all nodes of an integral for each of three
    assert count(Elementwise(2, Affine()), like.to("meta")) == 256 * 2**20 // (12 * 4 * 4)
    umnn = Elementwise(3, MonotoneNetwork(units=8))
    assert count(umnn) == 256 * 2**20 // (12 * 3 * 8 * 96 * 4)
    # a single row that is too large is still a row
    assert chunks.rows_at_once(nn.Linear(1, 2**24), (1,), like) == 1


# what surjections guarantee


def bounded() -> diffeo.SurjectiveFlow:
    return diffeo.SurjectiveFlow(
        diffeo.Flow(bases.StandardNormal(1), Elementwise(1, Exp())),
        UniformDequantization([diffeo.integers(0)]),
    )


def test_a_bound_repeats_at_one_size() -> None:
    density = moved(bounded())
    x = torch.arange(40, dtype=torch.float64)[:, None] % 7
    first = density.log_prob(x, num_samples=5, seed=2, chunk_size=9)
    assert torch.equal(first, density.log_prob(x, num_samples=5, seed=2, chunk_size=9))
    many = [density.log_prob(x, num_samples=2000, seed=2, chunk_size=s) for s in (9000, 10**6)]
    torch.testing.assert_close(many[0], many[1], rtol=0, atol=0.02)


def test_samples_do_not_depend_on_the_size_where_no_layer_draws() -> None:
    dequantize = UniformDequantization([diffeo.integers(0), diffeo.categories(3)])
    argmax = Argmax(dequantize.domain, hidden=(8,))
    base = diffeo.RealNVP(4, supports=argmax.domain.supports, layers=1, hidden=(8,), seed=0)
    density = diffeo.SurjectiveFlow(base, argmax, dequantize)
    whole = density.sample(40, seed=1)
    assert torch.equal(density.sample(40, seed=1, chunk_size=7), whole)
    x, log_prob = density.sample_and_log_prob(40, seed=1, chunk_size=7)
    assert torch.equal(x, whole)
    assert log_prob.isfinite().all()


def test_layers_that_draw_in_sampling_repeat_at_one_size() -> None:
    sliced = diffeo.SurjectiveFlow(bases.StandardNormal(1), Slice(2, [0]))
    drawn = [sliced.sample(4000, seed=1, chunk_size=s) for s in (700, 700, 4000)]
    assert torch.equal(drawn[0], drawn[1])
    # the density's own part is drawn in one piece
    assert torch.equal(drawn[0][:, 0], drawn[2][:, 0])
    assert not torch.equal(drawn[0][:, 1], drawn[2][:, 1])
    # 4 standard errors
    assert drawn[0].std(0).tolist() == pytest.approx([1, 1], abs=0.05)
