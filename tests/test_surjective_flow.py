"""SurjectiveFlow: how it is put together, what it says of data, and fits beside known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import diffeo
from diffeo.bases import BoxUniform, StandardNormal
from diffeo.errors import DataError, DataWarning, ShapeError
from diffeo.surjections import (
    Argmax,
    Augment,
    Slice,
    UniformDequantization,
    VariationalDequantization,
)
from diffeo.transforms import Constrain, Coupling
from diffeo.univariates import Affine

TABLE = [diffeo.real(), diffeo.integers(0, 20), diffeo.categories(3)]
INSIDE = torch.tensor([[0.5, 7.0, 2.0], [-1.0, 0.0, 0.0], [2.0, 20.0, 1.0]])


def mixed(context: int = 0) -> diffeo.SurjectiveFlow:
    torch.manual_seed(0)
    dequantize = VariationalDequantization(TABLE, context=context, hidden=(16,))
    argmax = Argmax(dequantize.domain, context=context, hidden=(16,))
    base = diffeo.NSF(
        5, context=context, supports=argmax.domain.supports, layers=2, hidden=(16,), seed=0
    )
    return diffeo.SurjectiveFlow(base, argmax, dequantize)


def counts() -> diffeo.SurjectiveFlow:
    return diffeo.SurjectiveFlow(
        diffeo.NSF(1, supports=diffeo.positive(), layers=2, hidden=(8,), seed=0),
        UniformDequantization([diffeo.integers(0)]),
    )


def table(rows: int = 300) -> np.ndarray:
    random = np.random.default_rng(0)
    label = random.integers(0, 3, rows)
    count = np.minimum(random.poisson(2 + 3 * label), 20)
    return np.stack([random.normal(size=rows) + count, count, label], axis=1)


# composition


def test_repr_says_what_log_prob_is() -> None:
    assert "log_prob: bound" in repr(mixed())
    sliced = diffeo.SurjectiveFlow(StandardNormal(1), Slice(2, [0]))
    assert "log_prob: exact" in repr(sliced)
    # and so does whatever is made of it
    two = diffeo.Mixture(counts(), counts())
    assert two.exactness == "bound"
    assert "log_prob: bound" in repr(two)


def test_layers_must_fit() -> None:
    argmax = Argmax([diffeo.categories(3)])
    with pytest.raises(ShapeError, match="at least one layer"):
        diffeo.SurjectiveFlow(diffeo.NSF(3))
    with pytest.raises(ShapeError, match=r"NSF gives events of shape \(2,\), but Argmax takes"):
        diffeo.SurjectiveFlow(diffeo.NSF(2), argmax)
    with pytest.raises(ShapeError, match=r"widths \[1, 2\]"):
        diffeo.SurjectiveFlow(diffeo.NSF(3, context=2), Argmax([diffeo.categories(3)], context=1))
    with pytest.raises(ValueError, match="is a bound itself"):
        diffeo.SurjectiveFlow(counts(), Augment(1, 1))


def test_supports_must_fit() -> None:
    dequantize = UniformDequantization([diffeo.integers(0, 5), diffeo.categories(3)])
    message = r"column 1 .* lives on real\(\), but UniformDequantization takes categories\(3\)"
    with pytest.raises(ShapeError, match=message):
        diffeo.SurjectiveFlow(
            diffeo.NSF(2, supports=[diffeo.interval(0, 6), diffeo.real()]), dequantize
        )
    # mass outside would make the bound loose for good
    with pytest.raises(ShapeError, match=r"real\(\), but .* takes interval\(0, 6\) there"):
        diffeo.SurjectiveFlow(diffeo.NSF(4), Argmax(dequantize.domain), dequantize)


def test_transforms_may_stand_between_surjections() -> None:
    dequantize = UniformDequantization(TABLE[:2])
    layers = (Slice(3, [1, 0]), Augment(2, 1), Coupling(2, Affine(), hidden=(8,)))
    flow = diffeo.SurjectiveFlow(
        StandardNormal(2), *layers, Constrain(dequantize.domain.supports), dequantize
    )
    x = flow.sample(50, seed=0)
    assert flow.support.contains(x).all()
    assert flow.log_prob(x).isfinite().all()


def test_discrete_supports_are_not_for_transforms() -> None:
    with pytest.raises(ShapeError, match=r"integers\(0, 3\) is discrete.*SurjectiveFlow"):
        diffeo.NSF(2, supports=[diffeo.integers(0, 3), diffeo.real()])


# what it says of data


@pytest.mark.parametrize(
    "row",
    [[0.5, 7.5, 2.0], [0.5, -1.0, 2.0], [0.5, 21.0, 2.0], [0.5, 7.0, 3.0], [0.5, 7.0, 0.5],
     [math.inf, 7.0, 2.0], [0.5, math.inf, 2.0], [0.5, 7.0, -math.inf]],
)  # fmt: skip
def test_outside_the_support(row: list[float]) -> None:
    flow = mixed()
    x = torch.stack([torch.tensor(row), INSIDE[0]]).requires_grad_()
    log_prob = flow.log_prob(x, num_samples=3, seed=0)
    assert log_prob[0].item() == -math.inf
    assert log_prob[1].isfinite()
    log_prob.nan_to_num(neginf=0.0).sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in flow.parameters() if p.grad is not None)


@pytest.mark.parametrize("column", range(3))
def test_nan_stays_in_its_row(column: int) -> None:
    flow = mixed()
    x = INSIDE.clone()
    x[1, column] = math.nan
    found, clean = (flow.log_prob(rows, seed=0) for rows in (x, INSIDE))
    assert found[1].isnan()
    assert torch.equal(found[[0, 2]], clean[[0, 2]])


def test_samples_lie_in_the_support() -> None:
    flow = mixed(context=2)
    c = torch.randn(4, 2)
    x, log_prob = flow.sample_and_log_prob(200, c, seed=0)
    assert (x.shape, log_prob.shape) == ((200, 4, 3), (200, 4))
    assert flow.support.contains(x).all()
    assert log_prob.isfinite().all()


def test_arrays_in_arrays_out_and_gradients_of_tensors() -> None:
    flow = mixed()
    array = flow.log_prob(INSIDE.numpy(), num_samples=4, seed=1)
    tensor = flow.log_prob(INSIDE, num_samples=4, seed=1)
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, tensor.detach().numpy())
    tensor.sum().backward()
    assert all(p.grad is not None for p in flow.layers.parameters())


def test_noise_is_new_at_each_call_unless_seeded() -> None:
    flow = mixed()
    assert not torch.equal(flow.log_prob(INSIDE), flow.log_prob(INSIDE))
    state = torch.random.get_rng_state()
    assert torch.equal(flow.log_prob(INSIDE, seed=3), flow.log_prob(INSIDE, seed=3))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_draws_in_chunks_count_once_each(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = diffeo.SurjectiveFlow(
        BoxUniform(1, 0.0, 4.0), UniformDequantization([diffeo.integers(0, 3)])
    )
    x = torch.zeros(10, 1)
    sizes = []
    one_draw = flow._one_draw
    monkeypatch.setattr(
        flow, "_one_draw", lambda x, *rest: sizes.append(len(x)) or one_draw(x, *rest)
    )
    # 2 draws of 10 rows at a time
    found = flow.log_prob(x, num_samples=count, chunk_size=29)
    torch.testing.assert_close(found, torch.full((10,), -math.log(4)))
    assert count == 1 or (sum(sizes) == count and max(sizes) <= 2)


@pytest.mark.parametrize("count", [0, -1, 2.0, "3", None])
def test_numbers_of_draws(count: object) -> None:
    with pytest.raises(ValueError, match="num_samples"):
        counts().log_prob(torch.ones(1, 1), num_samples=count)


def test_score_and_rsample_where_they_exist() -> None:
    with pytest.raises(TypeError, match="bound"):
        counts().score(torch.ones(1, 1))
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        counts().rsample(3)
    assert diffeo.SurjectiveFlow(diffeo.NSF(2), Augment(1, 1)).rsample(3).requires_grad
    sliced = diffeo.SurjectiveFlow(StandardNormal(1), Slice(2, [0]))
    assert sliced.score(torch.randn(5, 2)).shape == (5, 2)


# fitting


def test_bad_values_are_named() -> None:
    x = table()
    x[7, 1] = 2.5
    with pytest.raises(DataError, match=r"X holds 2.5 at row 7, column 'x1'"):
        mixed().fit(x, epochs=1, progress=False)
    x = table()
    x[3, 2] = 3
    with pytest.raises(DataError, match=r"row 3, column 'x2'.*categories\(3\)"):
        mixed().fit(x, epochs=1, progress=False)


def test_a_seeded_fit_is_the_same_whatever_was_drawn_before() -> None:
    fits = []
    for before in (1, 99):
        flow = mixed()
        torch.manual_seed(before)
        torch.randn(before)
        state = torch.random.get_rng_state()
        flow.fit(table(), epochs=2, seed=4, progress=False)
        assert torch.equal(torch.random.get_rng_state(), state)
        fits.append(flow)
    for a, b in zip(fits[0].parameters(), fits[1].parameters(), strict=True):
        assert torch.equal(a, b)
    assert fits[0].record["history"] == fits[1].record["history"]
    other = mixed().fit(table(), epochs=2, seed=5, progress=False)
    assert fits[0].record["history"] != other.record["history"]


def test_discrete_columns_get_no_noise_and_may_be_constant_or_equal() -> None:
    supports = [diffeo.integers(0, 3), diffeo.integers(0, 3), diffeo.categories(2)]
    dequantize = UniformDequantization(supports)
    argmax = Argmax(dequantize.domain, hidden=(8,))
    base = diffeo.NSF(4, supports=argmax.domain.supports, layers=2, hidden=(8,), seed=0)
    flow = diffeo.SurjectiveFlow(base, argmax, dequantize)
    column = np.arange(100) % 4
    # warnings are errors here: none says that noise was added
    flow.fit(np.stack([column, column, 0 * column], axis=1), epochs=2, progress=False)
    assert math.isfinite(flow.record["best_loss"])
    assert flow.record["data"]["statistics"]["x0"]["resolution"] == 0


def test_rounded_real_columns_beside_discrete_ones_get_noise() -> None:
    x = table()
    x[:, 0] = x[:, 0].round()
    with pytest.warns(DataWarning, match=r"x0 \(1\)$"):
        mixed().fit(x, epochs=1, progress=False)


def test_fit_sets_what_depends_on_data_or_leaves_it() -> None:
    flow = mixed().fit(table(), epochs=1, progress=False)
    seen = flow.layers[1].proposal.standardize
    assert bool(seen.initialized)
    assert seen.mean[1].item() == pytest.approx(table()[:, 1].mean(), abs=0.5)
    plain = mixed().fit(table(), epochs=1, standardize=False, progress=False)
    assert torch.equal(plain.layers[1].proposal.standardize.mean, torch.zeros(5))


def test_save_and_load(tmp_path) -> None:
    flow = mixed(context=1).fit(
        table(), context=np.ones((300, 1)) * np.arange(300)[:, None], epochs=1, progress=False
    )
    flow.save(tmp_path / "m.safetensors")
    loaded = diffeo.load(tmp_path / "m.safetensors")
    c = torch.ones(3, 1)
    assert torch.equal(loaded.log_prob(INSIDE, c, seed=0), flow.log_prob(INSIDE, c, seed=0))
    assert loaded.support == flow.support
    assert loaded.exactness == "bound"


def test_checkpoints_resume_to_the_same_weights(tmp_path) -> None:
    options = {"epochs": 3, "progress": False}
    x = table(250)  # one batch an epoch
    whole = mixed().fit(x, **options)
    stopped = mixed().fit(x, max_time=1e-9, checkpoint=tmp_path, **options)
    assert stopped.record["stopped"] == "max_time"
    resumed = mixed().fit(x, checkpoint=tmp_path, **options)
    assert len(resumed.record["history"]) == 3
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


# beside known answers


def _cross_entropy_gap(
    flow: diffeo.SurjectiveFlow, values: torch.Tensor, pmf: torch.Tensor
) -> float:
    """Nats between the bound at 64 draws and the entropy, on average over the true pmf."""
    likely = pmf > 0
    with torch.no_grad():
        copies = values[likely].expand(50, -1, -1)
        bound = flow.log_prob(copies, num_samples=64, seed=0).mean(0)
    return float((pmf[likely] * (pmf[likely].log() - bound)).sum())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [UniformDequantization, VariationalDequantization])
def test_a_mixture_of_binomials_is_learned(kind: type) -> None:
    values = torch.arange(21.0)
    each = [
        torch.distributions.Binomial(20, torch.tensor(p)).log_prob(values).exp()
        for p in (0.2, 0.75)
    ]
    pmf = (each[0] + each[1]) / 2
    torch.manual_seed(0)
    x = torch.multinomial(pmf, 4000, replacement=True)[:, None].float()
    layer = kind([diffeo.integers(0, 20)])
    base = diffeo.NSF(1, supports=layer.domain.supports, layers=2, hidden=(32,), bins=16, seed=0)
    flow = diffeo.SurjectiveFlow(base, layer).fit(
        x, epochs=40, lr=5e-3, patience=None, progress=False
    )
    assert 0 <= _cross_entropy_gap(flow, values[:, None], pmf) <= 0.03


@pytest.mark.slow
def test_two_dependent_categories_are_learned() -> None:
    joint = torch.tensor(
        [[0.30, 0.02, 0.02, 0.06], [0.02, 0.25, 0.01, 0.02], [0.05, 0.0, 0.20, 0.05]]
    )
    values = torch.cartesian_prod(torch.arange(3.0), torch.arange(4.0))
    torch.manual_seed(0)
    x = values[torch.multinomial(joint.flatten(), 10_000, replacement=True)]
    flow = diffeo.SurjectiveFlow(
        diffeo.NSF(7, layers=3, hidden=(32, 32), seed=0),
        Argmax([diffeo.categories(3), diffeo.categories(4)], hidden=(32, 32)),
    )
    flow.fit(x, epochs=40, lr=5e-3, patience=None, progress=False)
    assert 0 <= _cross_entropy_gap(flow, values, joint.flatten()) <= 0.1
    drawn = flow.sample(20_000, seed=0)
    shares = [(drawn == value).all(-1).double().mean().item() for value in values]
    assert shares == pytest.approx(joint.flatten().tolist(), abs=0.03)
