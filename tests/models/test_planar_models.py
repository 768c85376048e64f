"""PlanarFlow, RadialFlow, SylvesterFlow and BNAF: fits, directions, files, default sizes."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo import roots
from diffeo.audit import perturbed
from diffeo.transforms import Inverse, Reverse, block_autoregressive, planar, sylvester

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from toy_densities import TOYS

MODELS = [diffeo.PlanarFlow, diffeo.RadialFlow, diffeo.SylvesterFlow, diffeo.BNAF]


def _two_modes(x: Tensor) -> Tensor:
    """Half N(-2, 1/4) and half N(2, 1/4) in the first column, N(0, 1/4) in any other."""
    first = torch.stack([-2 * (x[..., 0] - centre) ** 2 for centre in (-2, 2)])
    rest = -2 * x[..., 1:].square().sum(-1)
    return first.logsumexp(0) + rest - math.log(2) - x.shape[-1] * math.log(math.pi / 2) / 2


def _draw(rows: int, generator: torch.Generator) -> Tensor:
    side = 4.0 * torch.randint(2, (rows, 1), generator=generator) - 2
    return side + torch.randn(rows, 1, generator=generator) / 2


def _moons(rows: int, generator: torch.Generator) -> Tensor:
    return TOYS["moons"].sample(rows, generator).float()


def _gap(model: Any, draw: Any, truth: Any, rows: int, **options: Any) -> float:
    """Nats between the truth and a fit by maximum likelihood, on fresh points."""
    generator = torch.Generator().manual_seed(0)
    model.fit(draw(rows, generator), progress=False, **options)
    x = draw(10_000, generator)
    with torch.no_grad():
        return float((truth(x) - model.log_prob(x)).mean())


def _reverse_kl(flow: diffeo.Flow, steps: int) -> tuple[float, float]:
    """KL(q | p) to the two modes after minimising it, and the share of q in the right one."""
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        x, log_q = flow.rsample_and_log_prob(256)
        # tempered at first, so that the mass finds both modes
        loss = (log_q - min(1.0, 0.1 + 3 * step / steps) * _two_modes(x)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        x, log_q = flow.rsample_and_log_prob(20_000)
        return float((log_q - _two_modes(x)).mean()), float((x[:, 0] > 0).double().mean())


def test_bnaf_learns_two_modes_by_maximum_likelihood() -> None:
    flow = diffeo.BNAF(1, seed=0)
    assert 0 <= _gap(flow, _draw, _two_modes, 5000, epochs=40, lr=1e-2) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("model", [diffeo.PlanarFlow, diffeo.SylvesterFlow, diffeo.RadialFlow])
def test_two_modes_are_learned_through_the_inverse(model: Any) -> None:
    flow = model(1, seed=0)
    assert 0 <= _gap(flow, _draw, _two_modes, 5000, epochs=60, lr=1e-2) < 0.1


@pytest.mark.slow
def test_bnaf_learns_two_moons() -> None:
    flow = diffeo.BNAF(2, seed=0)
    truth = TOYS["moons"].log_prob
    assert 0 <= _gap(flow, _moons, truth, 10_000, epochs=100, lr=1e-2) < 0.1


@pytest.mark.slow
def test_sylvester_flow_learns_two_moons_through_the_inverse() -> None:
    flow = diffeo.SylvesterFlow(2, seed=0)
    truth = TOYS["moons"].log_prob
    options = {"epochs": 100, "lr": 2e-2, "batch_size": 512}
    assert 0 <= _gap(flow, _moons, truth, 10_000, **options) < 0.1


def test_planar_flow_learns_two_modes_by_reverse_kl() -> None:
    gap, share = _reverse_kl(diffeo.PlanarFlow(1, layers=8, seed=0), 300)
    assert -0.01 < gap < 0.1
    assert share == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "most"),
    [(diffeo.PlanarFlow, 0.1), (diffeo.SylvesterFlow, 0.1), (diffeo.RadialFlow, 0.4)],
)
def test_two_modes_in_the_plane_by_reverse_kl(model: Any, most: float) -> None:
    gap, share = _reverse_kl(model(2, seed=0), 1000)
    assert -0.01 < gap < most
    assert share == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("model", MODELS)
def test_a_conditional_fit_follows_its_context_and_comes_back_from_a_file(
    model: Any, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(600, 1, generator=generator)
    x = 2 * context + 0.3 * torch.randn(600, 2, generator=generator)
    flow = model(2, context=1, layers=2, hidden=(16,), seed=0)
    flow.fit(x, context=context, epochs=15, lr=2e-2, progress=False)
    at = torch.tensor([[-1.0], [1.0]])
    means = flow.sample(500, at, seed=0).mean(0)
    assert bool((means[1] - means[0] > 2).all())
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    assert torch.equal(again.log_prob(x, context), flow.log_prob(x, context))


@pytest.mark.parametrize(
    ("model", "sampling", "density"),
    [
        (diffeo.PlanarFlow, False, True),
        (diffeo.RadialFlow, False, False),
        (diffeo.SylvesterFlow, False, True),
        (diffeo.BNAF, True, False),
    ],
)
def test_only_the_direction_that_the_docstring_names_takes_roots(
    model: Any, sampling: bool, density: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def counting(*arguments: Any) -> tuple[Tensor, Tensor]:
        taken.append(arguments)
        return roots.invert_increasing(*arguments)

    for module in (block_autoregressive, planar, sylvester):
        monkeypatch.setattr(module, "invert_increasing", counting)
    flow = model(2, layers=2, seed=0)
    flow.sample(3)
    assert bool(taken) is sampling
    taken.clear()
    flow.log_prob(torch.zeros(3, 2))
    assert bool(taken) is density


def test_triangular_layers_alternate_with_reversals() -> None:
    flow = diffeo.SylvesterFlow(3, kind="triangular", layers=3, seed=0)
    kinds = [type(m) for m in flow.transform.modules()]
    assert kinds.count(Reverse) == 2


def test_bnaf_layers_are_inverses() -> None:
    flow = diffeo.BNAF(3, layers=2, seed=0)
    assert sum(isinstance(m, Inverse) for m in flow.transform.modules()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("context", [0, 3])
def test_audit_at_default_size(model: Any, context: int) -> None:
    flow = model(8, context=context, seed=0)
    diffeo.check_flow(flow, trace=False).raise_if_failed()
    diffeo.check_flow(perturbed(flow), trace=False).raise_if_failed()
