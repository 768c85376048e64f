"""BatchNorm: which statistics when, the running ones, and training with it."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.bases import StandardNormal
from diffeo.transforms import BatchNorm, Coupling, Elementwise, Sequential
from diffeo.univariates import Affine, RationalQuadraticSpline


def _rows(n: int = 500) -> Tensor:
    return torch.randn(n, 2) * torch.tensor([5.0, 0.1]) + torch.tensor([100.0, -3.0])


def test_before_any_batch_it_is_the_identity() -> None:
    """nflows 0.14 starts with a running variance of 0: its log_prob is about -1e5 there."""
    layer, y = BatchNorm(2).eval(), _rows(10)
    x, ladj = layer.inverse(y)
    torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ladj, torch.zeros(10), atol=2e-5, rtol=0)
    torch.testing.assert_close(BatchNorm(2).forward(y)[0], y, rtol=1e-5, atol=1e-5)


def test_training_normalises_by_the_batch_and_evaluation_by_the_running_statistics() -> None:
    layer, y = BatchNorm(2), _rows()
    x, ladj = layer.inverse(y)
    torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.var(0, correction=0)[0], torch.tensor(1.0), atol=1e-4, rtol=0)
    expected = -0.5 * (y.var(0, correction=0) + 1e-5).log().sum()
    torch.testing.assert_close(ladj, expected.expand(500))
    layer.eval()
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    other = layer.inverse(y + 7)[0]
    torch.testing.assert_close(other, (y + 7 - layer.mean) / (layer.variance + 1e-5).sqrt())
    assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())


def test_the_first_batch_replaces_and_later_ones_are_averaged() -> None:
    layer = BatchNorm(1, momentum=0.25)
    means, variances = [], []
    for i in range(6):
        y = torch.randn(20, 1) * (i + 1) + i
        layer.inverse(y)
        weight = max(0.25, 1 / (i + 1))
        last_mean, last_variance = (means[-1], variances[-1]) if means else (0.0, 1.0)
        means.append(last_mean + weight * (float(y.mean()) - last_mean))
        variances.append(last_variance + weight * (float(y.var()) - last_variance))
        assert float(layer.mean) == pytest.approx(means[-1], rel=1e-5)
        assert float(layer.variance) == pytest.approx(variances[-1], rel=1e-5)
    assert int(layer.batches) == 6


def test_many_batches_give_the_moments_of_the_data() -> None:
    layer = BatchNorm(2, momentum=0.01)
    for _ in range(300):
        layer.inverse(_rows(100))
    torch.testing.assert_close(layer.mean, torch.tensor([100.0, -3.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close(layer.variance, torch.tensor([25.0, 0.01]), rtol=0.05, atol=0)


def test_sampling_uses_and_keeps_the_running_statistics() -> None:
    layer = BatchNorm(2)
    layer.inverse(_rows())
    mean = layer.mean.clone()
    x = torch.randn(7, 2)
    in_training = layer(x)
    in_evaluation = layer.eval()(x)
    assert torch.equal(in_training[0], in_evaluation[0])
    assert torch.equal(layer.mean, mean)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_use_the_running_statistics(rows: int) -> None:
    layer = BatchNorm(2)
    layer.inverse(_rows())
    state = {k: v.clone() for k, v in layer.state_dict().items()}
    x, ladj = layer.inverse(_rows(rows))
    assert x.shape == (rows, 2)
    assert bool(x.isfinite().all() and ladj.isfinite().all())
    assert all(torch.equal(state[k], v) for k, v in layer.state_dict().items())


def test_all_batch_axes_are_rows() -> None:
    flat, grid, y = BatchNorm(2), BatchNorm(2), _rows(12)
    expected = flat.inverse(y)
    found = grid.inverse(y.reshape(3, 4, 2))
    torch.testing.assert_close(found[0].reshape(12, 2), expected[0])
    assert found[1].shape == (3, 4)
    torch.testing.assert_close(grid.variance, flat.variance)


def test_a_bad_batch_does_not_spoil_the_running_statistics() -> None:
    layer, y = BatchNorm(2), _rows()
    y[3, 0] = torch.nan
    layer.inverse(y)
    assert layer.mean[0] == 0
    assert layer.variance[0] == 1
    assert float(layer.mean[1]) == pytest.approx(-3, rel=0.01)


def test_a_constant_feature_stays_finite() -> None:
    layer = BatchNorm(1)
    y = torch.full((10, 1), 3.0, requires_grad=True)
    x, ladj = layer.inverse(y)
    (x.sum() + ladj.sum()).backward()
    assert y.grad is not None
    for value in (x, ladj, y.grad, layer.eval().inverse(y)[0]):
        assert bool(value.isfinite().all())


def test_gradients_pass_through_the_statistics_of_the_batch() -> None:
    layer = BatchNorm(2).double()
    y = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer.inverse, (y,))


def test_the_gain_is_bounded() -> None:
    layer = BatchNorm(1).eval()
    with torch.no_grad():
        layer.log_scale.fill_(1e30)
    assert float(layer(torch.ones(1))[0].detach()) == pytest.approx(1e3, rel=1e-4)


def test_no_graph_is_kept_across_steps() -> None:
    layer = BatchNorm(2)
    for _ in range(3):
        # scaled by a parameter, so that the statistics of the batch have a graph
        layer.inverse(_rows() * torch.ones(2, requires_grad=True))
        gc.collect()
        assert all(not b.requires_grad and b.grad_fn is None for b in layer.buffers())


def test_a_graph_through_the_running_statistics_survives_a_later_batch() -> None:
    layer = BatchNorm(2)
    layer.inverse(_rows())
    x = torch.randn(3, 2, requires_grad=True)
    sample, _ = layer(x)
    layer.inverse(_rows())
    sample.square().sum().backward()
    assert x.grad is not None


def test_training_mode_traces() -> None:
    layer, plain, y = BatchNorm(2), BatchNorm(2), _rows()
    try:
        traced = torch.compile(layer.inverse, fullgraph=True, backend="eager")
        for _ in range(2):
            torch.testing.assert_close(traced(y), plain.inverse(y))
    finally:
        torch._dynamo.reset()
    torch.testing.assert_close(layer.variance, plain.variance)
    assert int(layer.batches) == 2


def _affine_flow(data: Tensor) -> diffeo.Model:
    stack = []
    for i in range(4):
        mask = [i % 2 == 0, i % 2 == 1]
        stack += [Coupling(2, Affine(), mask=mask, hidden=(32,)), BatchNorm(2)]
    model = diffeo.Flow(StandardNormal(2), Sequential(*stack))
    model.fit(data, epochs=15, batch_size=128, lr=5e-3, seed=0, progress=False)
    return model


def test_an_affine_flow_with_it_trains_by_fit() -> None:
    torch.manual_seed(0)
    first = torch.randn(2000, 1)
    data = torch.cat([first, first.square() + 0.3 * torch.randn(2000, 1)], dim=1) * 4 + 10
    model = _affine_flow(data)
    layer = model.transform[-1]
    torch.testing.assert_close(layer.mean, data.mean(0), rtol=0.15, atol=0.3)
    assert not layer.training
    gaussian = torch.distributions.MultivariateNormal(data.mean(0), data.T.cov())
    gain = model.log_prob(data).mean() - gaussian.log_prob(data).mean()
    # the truth gains log(2.09 / 0.09) / 2 = 1.57 nats on its best normal
    assert float(gain.detach()) > 1
    x = data[:50]
    torch.testing.assert_close(model.from_base(model.to_base(x)), x, rtol=1e-3, atol=1e-3)


def test_the_density_after_training_integrates_to_one() -> None:
    torch.manual_seed(0)
    data = torch.cat([torch.randn(500, 1) - 4, torch.randn(500, 1) * 0.5 + 2])
    layers = [Elementwise(1, RationalQuadraticSpline(bins=8)), BatchNorm(1)]
    model = diffeo.Flow(StandardNormal(1), Sequential(*layers))
    model.fit(data, epochs=20, batch_size=100, lr=0.02, seed=0, progress=False)
    grid = torch.linspace(-60, 60, 40_001, dtype=torch.float64)
    density = model.double().log_prob(grid[:, None]).exp().detach()
    assert float(torch.trapezoid(density, grid)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 0.0}, r"momentum must lie in \(0, 1\], got 0"),
        ({"momentum": 1.5}, "momentum must lie"),
        ({"eps": 0.0}, "eps must be positive, got 0"),
    ],
)
def test_bad_options(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchNorm(2, **options)
