"""Supports of several columns: membership, charts, and models, fits and files on them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import diffeo
from diffeo.errors import DataError
from diffeo.supports import Features, Support, corr_cholesky, positive_ordered, simplex, sphere
from diffeo.training.ties import jitter

SMALL = {"layers": 2, "hidden": (16,), "bins": 4, "seed": 0}
FIT = {"epochs": 2, "progress": False, "batch_size": 64}


@pytest.mark.parametrize(
    ("support", "inside", "outside"),
    [
        (diffeo.ordered(3), [[-1.0, 0.0, 2.0], [0.0, 0.0, 1.0]], [[0.0, -1.0, 2.0]]),
        (diffeo.positive_ordered(2), [[0.5, 1.0]], [[-0.5, 1.0], [0.0, 1.0], [1.0, math.inf]]),
        (simplex(3), [[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]], [[0.2, 0.3, 0.4], [-0.2, 0.6, 0.6]]),
        (corr_cholesky(2), [[1.0, 0.0, -0.6, 0.8]], [[1.0, 0.0, 0.6, -0.8], [1.0, 0.0, 0.6, 0.6]]),
        (diffeo.circle(), [[-math.pi], [math.pi], [0.0]], [[3.2], [-4.0]]),
        (diffeo.torus(2), [[3.1, -3.1]], [[0.0, 3.2]]),
        (sphere(3), [[0.0, 0.6, -0.8], [0.0, 0.0, 1.0]], [[0.0, 0.6, 0.9], [math.inf, 0.0, 0.0]]),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_membership(support: Support, inside, outside, dtype):
    def contains(rows):
        return support.contains(torch.tensor(rows, dtype=dtype)).all(-1)

    assert bool(contains(inside).all())
    assert not bool(contains(outside).any())
    assert not bool(contains([[math.nan] * support.columns]).any())
    assert bool(support.contains(support.interior(torch.zeros((), dtype=dtype))).all())


def test_the_first_element_at_fault_is_the_one_out_of_order():
    assert diffeo.ordered(3).contains(torch.tensor([0.0, -1.0, 2.0])).tolist() == [1, 0, 1]


def test_sums_may_miss_one_by_a_thousand_roundings():
    shares = torch.tensor([0.25, 0.75])
    assert bool(simplex(2).contains(shares * (1 + 1e-4)).all())
    assert not bool(simplex(2).contains(shares * (1 + 2e-4)).any())
    assert not bool(simplex(2).contains(shares.double() * (1 + 1e-4)).any())


@pytest.mark.parametrize("support", [simplex(4), corr_cholesky(3), diffeo.ordered(3)])
def test_a_chart_has_free_coordinates_and_can_be_completed(support):
    layer = diffeo.transforms.Constrain([support])
    y, _ = layer(torch.randn(20, support.free, dtype=torch.float64))
    assert support.chart(y, y).shape == (20, support.free)
    torch.testing.assert_close(support.embed(support.chart(y, y), y), y)


def test_supports_are_equal_by_what_they_are():
    assert Features([simplex(3)]) == Features((simplex(columns=3),))
    assert simplex(3) != simplex(4)
    assert diffeo.ordered(2) != positive_ordered(2)


def _dirichlet(rows: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet([5.0, 2.0, 1.0], size=rows)


def test_fresh_nsf_on_a_simplex_has_the_density_of_its_base():
    flow = diffeo.NSF(3, supports=simplex(3), **SMALL).double()
    y = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    # a rotation of the noise apart, which LU is not at first: x = log(y_k / rest) + log(K - k)
    x = torch.tensor([math.log(0.2 / 0.8) + math.log(2), math.log(0.3 / 0.5)])
    expected = -0.5 * float(x @ x) - math.log(2 * math.pi) - math.log(0.2 * 0.3 * 0.5)
    assert float(flow.log_prob(y).detach()) == pytest.approx(expected, rel=1e-6)


def test_outside_is_minus_infinity_with_zero_gradient_and_nan_is_nan():
    flow = diffeo.NSF(3, supports=simplex(3), **SMALL)
    x = torch.tensor([[0.2, 0.3, 0.6], [0.2, 0.3, 0.5], [0.2, 0.8, math.nan]], requires_grad=True)
    log_prob = flow.log_prob(x)
    assert float(log_prob[0].detach()) == -math.inf
    assert bool(log_prob[1].isfinite())
    assert bool(log_prob[2].isnan())
    log_prob[:2].sum().backward()
    assert bool(x.grad[:2].isfinite().all())
    assert x.grad[0].tolist() == [0, 0, 0]


def test_a_fit_on_the_simplex_finds_a_dirichlet():
    """Its density in the first two coordinates, which torch's Dirichlet refers to as well."""
    flow = diffeo.RealNVP(3, layers=4, hidden=(32,), supports=simplex(3), seed=0)
    flow.fit(_dirichlet(4000), epochs=30, progress=False, lr=5e-3)
    truth = torch.distributions.Dirichlet(torch.tensor([5.0, 2.0, 1.0]))
    fresh = truth.sample((2000,))
    with torch.no_grad():
        missing = (truth.log_prob(fresh) - flow.log_prob(fresh)).mean()
    assert float(missing) == pytest.approx(0, abs=0.08)
    samples = flow.sample(500, seed=0)
    torch.testing.assert_close(samples.sum(-1), torch.ones(500))


def _correlations(rows: int) -> np.ndarray:
    x = 0.5 * torch.randn(rows, 3)
    return diffeo.transforms.CorrelationCholesky(3)(x)[0].numpy()


@pytest.mark.parametrize(
    ("supports", "data"),
    [
        (simplex(3), _dirichlet),
        ([simplex(3), diffeo.circle()], lambda n: np.c_[_dirichlet(n), np.linspace(-3, 3.1, n)]),
        (diffeo.ordered(3), lambda n: np.sort(np.random.default_rng(0).normal(size=(n, 3)))),
        (corr_cholesky(3), _correlations),
    ],
)
def test_fit_save_and_load(supports, data, tmp_path):
    x = data(200).astype(np.float32)
    flow = diffeo.NSF(x.shape[1], supports=supports, **SMALL).fit(x, **FIT)
    assert np.isfinite(flow.log_prob(x)).all()
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    assert again.support == flow.support
    np.testing.assert_array_equal(again.log_prob(x), flow.log_prob(x))
    assert torch.equal(again.sample(5, seed=1), flow.sample(5, seed=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x.__setitem__((7, 2), 0.9),
            r"row 7, column 'x1'.* the columns 'x1' to 'x3' are",
        ),
        (lambda x: x.__setitem__(7, [1, 0, 0.4, 0.6]), "row 7, column 'x1', outside or on the bo"),
        (lambda x: x.__setitem__((7, 0), -1), r"holds -1 at row 7, column 'x0'.*positive\(\)"),
    ],
)
def test_values_outside_are_named(change, message):
    x = np.c_[np.random.default_rng(0).exponential(size=50), _dirichlet(50)]
    change(x)
    flow = diffeo.NSF(4, supports=[diffeo.positive(), simplex(3)], **SMALL)
    with pytest.raises(DataError, match=message):
        flow.fit(x, **FIT)


def test_noise_on_ties_stays_on_the_support():
    draw = torch.Generator().manual_seed(0)
    shares = torch.tensor(_dirichlet(500).round(2), dtype=torch.float64)
    shares = simplex(3).nearest(shares + 1e-3)
    moved = jitter(shares, torch.full((3,), 0.01), simplex(3), draw)
    assert bool(simplex(3).contains(moved).all())
    assert bool((moved > 0).all())
    assert 0 < float((moved - shares).abs().max()) < 0.02
    factors = torch.tensor(_correlations(500)).double()
    factors = corr_cholesky(3).nearest(factors)
    moved = jitter(factors, torch.full((9,), 0.01), corr_cholesky(3), draw)
    assert bool(corr_cholesky(3).contains(moved).all())


def test_neighbours_with_the_word_sphere_are_one_vector():
    from diffeo.cli.config import supports_of

    words = dict.fromkeys("abc", "sphere")
    assert supports_of(words, ["a", "b", "c", "d"]) == [sphere(3), diffeo.real()]


def test_the_command_fits_and_samples_on_a_simplex(tmp_path):
    from diffeo.cli.main import main

    rows = "\n".join(
        ",".join(f"{v:.9f}" for v in [*row, 1.0 + i]) for i, row in enumerate(_dirichlet(60))
    )
    (tmp_path / "t.csv").write_text(f"a,b,c,t\n{rows}\n")
    words = {"a": "simplex", "b": "simplex", "c": "simplex", "t": "positive"}
    config = {"model": {"layers": 1, "hidden": [8], "supports": words}, "fit": {"epochs": 1}}
    (tmp_path / "c.json").write_text(json.dumps(config))
    model = tmp_path / "m.safetensors"
    files = [str(tmp_path / "t.csv"), "-o", str(model), "--config", str(tmp_path / "c.json")]
    assert main(["fit", *files]) == 0
    assert repr(diffeo.load(model).support) == "[simplex(3), positive()]"
