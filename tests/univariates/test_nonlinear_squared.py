"""The non-linear squared map: its slope, its inverse as a cubic, and two modes out of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.transforms import Elementwise
from diffeo.univariates import NonlinearSquared


def _params(*values: float, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype)[:, None].expand(5, len(like))


@pytest.mark.parametrize("r", [-20.0, -0.5, 0.0, 0.5, 20.0])
def test_it_is_increasing_and_its_inverse_is_the_root_of_the_cubic(r: float) -> None:
    x = torch.linspace(-20, 20, 401, dtype=torch.float64)
    params = _params(0.3, 0.4, r, 0.7, -0.6, like=x)
    y, ladj = NonlinearSquared().forward(x, params)
    assert bool((y.diff() > 0).all())
    # the slope is at least the share of b that the bound leaves
    b, d = np.exp([6.907755 * np.tanh(v / 6.907755) for v in (0.4, 0.7)])
    assert ladj.exp().min() >= 0.05 * b - 1e-9
    c = 0.95 * np.tanh(r) * 8 * np.sqrt(3) / 9 * b / d
    for at in range(0, 401, 50):
        # (y - a - b x) (1 + (d x + g)^2) = c
        line = np.polynomial.Polynomial([float(y[at]) - 0.3, -b])
        square = np.polynomial.Polynomial([1 + 0.36, -2 * 0.6 * d, d**2])
        roots = (line * square - c).roots()
        real = roots[np.abs(roots.imag) < 1e-6].real
        assert len(real) == 1
        assert real[0] == pytest.approx(float(x[at]), abs=1e-6)
    back, inverse_ladj = NonlinearSquared().inverse(y, params)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(inverse_ladj, -ladj, rtol=0, atol=1e-8)


def test_one_layer_has_two_modes() -> None:
    flow = diffeo.Flow(diffeo.bases.StandardNormal(1), Elementwise(1, NonlinearSquared()))
    with torch.no_grad():
        flow.transform.params.copy_(_params(0.0, 0.0, 3.0, 0.8, 0.0, like=torch.zeros(1)))
        x = torch.linspace(-4, 4, 801)[:, None]
        p = flow.log_prob(x).exp()
    inner = p[1:-1]
    assert int(((inner > p[:-2]) & (inner > p[2:])).sum()) == 2
