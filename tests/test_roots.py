"""The bracketed solver: precision, gradients, independence of rows, tracing, non-convergence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffeo import roots, transforms, univariates
from diffeo.audit import perturbed
from diffeo.errors import ConvergenceWarning
from diffeo.roots import invert_increasing


def _steps(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """x + a tanh(50 x): slopes between 1 and 1 + 50 a."""
    bend = torch.tanh(50 * x)
    return x + a * bend, torch.log1p(50 * a * (1 - bend * bend))


def _invert(y: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    return invert_increasing(lambda x: _steps(x, a), y, y - a, y + a, "steps")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_roots_are_found_to_rounding(dtype: torch.dtype) -> None:
    y = torch.cat([torch.randn(1000), torch.linspace(-1e6, 1e6, 101)]).to(dtype)
    a = torch.full_like(y, 0.9)
    x, log_slope = _invert(y, a)
    back, forward = _steps(x, a)
    eps = torch.finfo(dtype).eps
    assert bool(((back - y).abs() <= 100 * eps * (1 + y.abs())).all())
    assert torch.allclose(log_slope, -forward)


def test_gradients_are_those_of_the_implicit_function() -> None:
    y = torch.randn(20, dtype=torch.float64, requires_grad=True)
    a = torch.rand(20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y, a: _invert(y, a)[0], (y, a))
    assert torch.autograd.gradcheck(lambda y, a: _invert(y, a)[1], (y, a))


def test_an_element_does_not_depend_on_the_others() -> None:
    y, a = torch.randn(50), torch.rand(50)
    together = _invert(y, a)[0]
    alone = torch.stack([_invert(y[i], a[i])[0] for i in range(50)])
    assert torch.equal(together, alone)


def test_nan_stays_where_it_is_and_empty_batches_pass() -> None:
    y = torch.tensor([0.5, torch.nan])
    x, _ = _invert(y, torch.ones(2))
    assert x.isnan().tolist() == [False, True]
    assert _invert(y[:0], y[:0])[0].shape == (0,)


def test_it_traces_as_one_graph() -> None:
    torch._dynamo.reset()
    y, a = torch.randn(3, 4, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    traced = torch.compile(_invert, fullgraph=True, backend="eager")
    # of two layouts in memory
    assert torch.allclose(traced(y, a.t())[0], _invert(y, a.t())[0], atol=1e-14)


def test_the_residual_is_a_tensor_of_batch_shape() -> None:
    layer = perturbed(transforms.MaskedAutoregressive(3, univariates.Affine(), context=2)).float()
    y, context = 100 * torch.randn(4, 1, 3), torch.randn(5, 2)
    residual = layer.residual(y, context)
    assert residual.shape == (4, 5)
    assert 0 < float(residual.detach().max()) < 1e-4


def test_non_convergence_is_a_warning_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "MOST_STEPS", 2)
    with pytest.warns(ConvergenceWarning, match="steps: the inverse has not converged for"):
        _invert(torch.randn(5), torch.rand(5))
