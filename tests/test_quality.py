"""Default-size models: the audit, and a fit close to the truth. Minutes: make test-slow."""

from __future__ import annotations

import math

import pytest
import torch

import diffeo
from diffeo.audit import perturbed

MODELS = [diffeo.NICE, diffeo.RealNVP, diffeo.MAF, diffeo.IAF, diffeo.NSF]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("context", [0, 3])
def test_audit_at_default_size(model: type[diffeo.Flow], context: int) -> None:
    flow = model(8, context=context, seed=0)
    diffeo.check_flow(flow).raise_if_failed()
    diffeo.check_flow(perturbed(flow), trace=False).raise_if_failed()


@pytest.mark.slow
def test_bimodal_density_is_learned_within_three_hundredths_of_a_nat() -> None:
    """Two normals whose means depend on a context: the true log-density is known."""
    generator = torch.Generator().manual_seed(0)

    def draw(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        context = torch.randn(rows, 1, generator=generator)
        side = 2.0 * torch.randint(2, (rows, 1), generator=generator) - 1
        return side * (2 + context) + torch.randn(rows, 1, generator=generator) / 2, context

    def truth(x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        centres = torch.cat([2 + context, -2 - context], dim=1)
        each = -2 * (x - centres) ** 2 - math.log(0.5 * math.sqrt(2 * math.pi))
        return torch.logsumexp(each, dim=1) - math.log(2)

    x, context = draw(20_000)
    flow = diffeo.NSF(1, context=1, seed=0)
    flow.fit(x, context=context, epochs=30, lr=3e-3, progress=False)
    x, context = draw(20_000)
    gap = truth(x, context) - flow.log_prob(x, context).detach()
    assert 0 <= float(gap.mean()) <= 0.03
