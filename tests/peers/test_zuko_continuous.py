"""The exact trace and the flow of one velocity field against zuko's free-form flow, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.nets import VectorField
from diffeo.transforms import Continuous

zuko = pytest.importorskip("zuko.transforms", reason="needs zuko (a peer)")


@pytest.mark.parametrize("features", [1, 2, 5])
def test_free_form_jacobians(features: int) -> None:
    """zuko's forward is what ``f`` does from ``t0`` to ``t1``; its solver stops at 1e-10 here."""
    torch.manual_seed(0)
    field = perturbed(VectorField(features, (16, 16))).double()
    ours = Continuous(features, field=field, steps=100)

    def velocity(t: Tensor, x: Tensor) -> Tensor:
        return field(x, t)

    theirs = zuko.FreeFormJacobianTransform(velocity, t0=0.0, t1=1.0, atol=1e-10, rtol=1e-10)
    x = torch.randn(20, features, dtype=torch.float64)
    for transform, (y, ladj) in ((theirs, ours(x)), (theirs.inv, ours.inverse(x))):
        expected, expected_ladj = transform.call_and_ladj(x)
        assert torch.allclose(y, expected, rtol=0, atol=1e-7)
        # it takes the trace a hundred times less exactly
        assert torch.allclose(ladj, expected_ladj, rtol=0, atol=1e-6)
