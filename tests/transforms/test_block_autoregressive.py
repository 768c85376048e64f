"""Block-autoregressive layers: the paper's network in numpy, structure, bounds, inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import BlockAutoregressive


def _layer(features: int, hidden: tuple[int, ...], scale: float = 1.0) -> BlockAutoregressive:
    layer = perturbed(BlockAutoregressive(features, hidden=hidden)).double().requires_grad_(False)
    for parameter in layer.parameters():
        parameter.mul_(scale)
    return layer


def _papers_matrix(
    weight: np.ndarray, log_norm: np.ndarray, features: int, layers: int
) -> np.ndarray:
    """Masked in blocks, exponentials on the diagonal, rows normalised; block by block."""
    rows, columns = (size // features for size in weight.shape)
    wide = math.log(1000)
    masked = np.zeros_like(weight)
    for i in range(features):
        for j in range(i + 1):
            block = np.s_[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]
            raw = weight[block]
            masked[block] = np.exp(wide * np.tanh(raw / wide)) if i == j else raw
    bound = wide / layers
    norm = np.exp(bound * np.tanh(log_norm / bound))
    return norm[:, None] * masked / np.linalg.norm(masked, axis=1, keepdims=True)


@pytest.mark.parametrize("hidden", [(5,), (4, 3)])
def test_it_is_the_papers_network_with_the_products_in_the_log_domain(hidden: tuple) -> None:
    features = 3
    layer = _layer(features, hidden)
    x = torch.randn(features, dtype=torch.float64)
    h, log_slope = x.numpy(), np.zeros((features, 1))
    for index, linear in enumerate(layer.layers):
        w = _papers_matrix(
            linear.weight.numpy(), linear.log_norm.numpy(), features, len(hidden) + 1
        )
        rows, columns = (size // features for size in w.shape)
        h = w @ h + linear.bias.numpy()
        for_each = []
        for i in range(features):
            block = w[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns]
            for_each.append(np.logaddexp.reduce(np.log(block) + log_slope[i], axis=1))
        log_slope = np.stack(for_each)
        if index < len(hidden):
            log_slope += np.log(1 - np.tanh(h) ** 2).reshape(features, rows)
            h = np.tanh(h)
    share = 1 / (1 + math.exp(-math.log(1e3) * math.tanh(float(layer.gate) / math.log(1e3))))
    y, ladj = layer(x)
    assert np.allclose(y, (1 - share) * x.numpy() + share * h, atol=1e-13)
    expected = np.logaddexp(math.log(1 - share), math.log(share) + log_slope[:, 0]).sum()
    assert float(ladj) == pytest.approx(expected, abs=1e-12)


def test_outputs_depend_on_their_own_and_earlier_inputs_and_increase_in_their_own() -> None:
    layer = _layer(4, (6, 6), 2.0)
    for x in torch.randn(10, 4, dtype=torch.float64) * 3:
        jacobian = torch.autograd.functional.jacobian(lambda x: layer(x)[0], x)
        assert bool((jacobian.triu(1) == 0).all())
        assert bool((jacobian.diagonal() > 0).all())
        assert bool((jacobian.tril(-1) != 0).any())


def test_units_depend_on_weights_of_their_blocks_alone() -> None:
    """Whatever writes into the masked weights changes nothing."""
    layer = _layer(2, (3,))
    x = torch.randn(5, 2, dtype=torch.float64)
    before = layer(x)[0]
    for linear in layer.layers:
        linear.weight[~(linear.own | linear.earlier)] = torch.nan
    # 0 * NaN is NaN, so the check is on large numbers
    for linear in layer.layers:
        linear.weight.nan_to_num_(nan=1e9)
    assert torch.equal(layer(x)[0], before)


@pytest.mark.parametrize("gate", [-1e9, 0.0, 1e9])
def test_tails_have_the_slope_of_the_gate(gate: float) -> None:
    layer = _layer(1, (8, 8), 5.0)
    layer.gate.fill_(gate)
    x = torch.tensor([[-1e5], [1e5]], dtype=torch.float64)
    y, ladj = layer(x)
    kept = 1 / (1 + math.exp(math.log(1e3) * math.tanh(gate / math.log(1e3))))
    assert 0.9e-3 <= kept <= 1 - 0.9e-3
    assert ladj.tolist() == pytest.approx([math.log(kept)] * 2, abs=1e-9)
    assert float(y[1] - y[0]) == pytest.approx(2e5 * kept, rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 10.0, 1e3])
def test_the_inverse_holds_with_large_weights_and_far_out(dtype: torch.dtype, scale: float) -> None:
    layer = _layer(3, (8, 8), scale).to(dtype)
    layer.gate.fill_(0.0)
    y = torch.cat([torch.randn(200, 3), torch.randn(50, 3) * 1e5]).to(dtype)
    x, ladj = layer.inverse(y)
    back, forward = layer(x)
    # an error of x by rounding grows by the slope, to which later features add theirs
    steps = (x.abs().amax(-1) + 1) * (1 + forward.abs().exp())
    error = (back - y).abs().amax(-1) / steps.clamp(min=1)
    assert float(error.max()) < 1e4 * torch.finfo(dtype).eps
    if scale == 1:
        assert float((ladj + forward).abs().max()) < 1e4 * torch.finfo(dtype).eps


def test_gradients_of_the_inverse_are_those_of_the_implicit_function() -> None:
    layer = perturbed(BlockAutoregressive(2, hidden=(4,), context=1)).double()
    y = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    context = torch.randn(3, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y, c: layer.inverse(y, c), (y, context))
    names, values = zip(*layer.named_parameters(), strict=True)

    def loss(act: object) -> list[Tensor]:
        x, ladj = act()  # type: ignore[operator]
        return list(torch.autograd.grad(x.square().sum() + ladj.sum(), values))

    found = loss(lambda: layer.inverse(y.detach(), context.detach()))
    step = 1e-6
    for name, value, gradient in zip(names, values, found, strict=True):
        flat = value.data.reshape(-1)
        index = int(gradient.abs().argmax())
        sides = []
        for sign in (1, -1):
            flat[index] += sign * step
            x, ladj = layer.inverse(y.detach(), context.detach())
            sides.append(float((x.square().sum() + ladj.sum()).detach()))
            flat[index] -= sign * step
        slope = (sides[0] - sides[1]) / (2 * step)
        assert float(gradient.reshape(-1)[index]) == pytest.approx(slope, rel=1e-5, abs=1e-7), name


def test_context_shifts_but_never_turns_the_order_round() -> None:
    layer = perturbed(BlockAutoregressive(2, hidden=(6,), context=2)).double().requires_grad_(False)
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)[:, None].expand(101, 2)
    for context in torch.randn(10, 2, dtype=torch.float64) * 10:
        y, _ = layer(x, context)
        assert bool((y[:, 0].diff() > 0).all())


def test_errors() -> None:
    with pytest.raises(ShapeError, match="hidden must name at least one layer's units"):
        BlockAutoregressive(2, hidden=())
    with pytest.raises(ShapeError, match="each at least 1, got"):
        BlockAutoregressive(2, hidden=(4, 0))
