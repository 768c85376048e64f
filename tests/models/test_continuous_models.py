"""CNF, OTFlow and FlowMatching: fits, objectives, validation, the command."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.cli.main import main
from diffeo.errors import ConvergenceWarning, ShapeError
from diffeo.models.continuous import regularised_likelihood
from diffeo.objectives import negative_log_likelihood

SIDES = torch.tensor([-1.5, 1.5])


def _draw(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two normals of sd 0.5, moved by a context."""
    draw = torch.Generator().manual_seed(seed)
    context = torch.randn(rows, 1, generator=draw)
    side = SIDES[torch.randint(2, (rows, 1), generator=draw)]
    return side + context + 0.5 * torch.randn(rows, 1, generator=draw), context


def _truth(x: Tensor, context: Tensor) -> Tensor:
    each = -2 * (x - context - SIDES).square()
    return each.logsumexp(1) - math.log(2 * 0.5 * math.sqrt(2 * math.pi))


def _gap(flow: Any, **options: Any) -> float:
    """Nats between the truth and a conditional fit, on fresh points."""
    x, context = _draw(4000, 0)
    flow.fit(x, context=context, progress=False, patience=None, seed=0, **options)
    x, context = _draw(4000, 1)
    with torch.no_grad():
        return float((_truth(x, context) - flow.log_prob(x, context)).mean())


FITS = {
    "FlowMatching": (diffeo.FlowMatching, {"hidden": (48, 48), "steps": 12}, {"epochs": 40}),
    "CNF": (diffeo.CNF, {"hidden": (32, 32), "steps": 4}, {"epochs": 6}),
    "OTFlow": (diffeo.OTFlow, {"hidden": (32, 32), "steps": 4}, {"epochs": 6}),
}


@pytest.mark.parametrize("name", FITS)
def test_two_modes_moved_by_a_context_are_learned(name: str) -> None:
    model, options, fit = FITS[name]
    flow = model(1, context=1, seed=0, **options)
    assert 0 <= _gap(flow, lr=1e-2, batch_size=128, **fit) <= 0.08


def test_matching_validates_on_fixed_draws() -> None:
    """Of the same weights the loss is the same in every epoch, and it is no likelihood."""
    x, _ = _draw(300, 0)
    flow = diffeo.FlowMatching(1, hidden=(8,), steps=4, seed=0)
    flow.fit(x, epochs=3, lr=1e-30, progress=False)
    losses = [epoch["validation"] for epoch in flow.record["history"]]
    assert losses == losses[:1] * 3
    assert flow.record["options"]["objective"] == "matching"


def test_an_optimal_coupling_straightens_the_paths() -> None:
    """Its straight paths leave less of dx/dt to chance, and the fit is as good."""
    x = torch.cat([_draw(2000, 0)[0], _draw(2000, 2)[0]], dim=1)
    losses = {}
    for coupling in ("independent", "optimal"):
        flow = diffeo.FlowMatching(2, coupling=coupling, hidden=(32, 32), steps=8, seed=0)
        flow.fit(x, epochs=4, lr=1e-2, progress=False)
        losses[coupling] = flow.record["best_loss"]
    assert losses["optimal"] < losses["independent"] / 2


def test_a_regularised_loss_adds_the_costs_of_the_way_in_training_alone() -> None:
    flow = perturbed(diffeo.CNF(2, hidden=(8, 8), steps=4, kinetic=0.5, jacobian=0.25, seed=0))
    flow = flow.double()
    x = torch.randn(20, 2, dtype=torch.float64)
    weight = torch.linspace(0, 2, 20, dtype=torch.float64)
    path = flow.continuous.inverse_path(x)
    assert bool((path.kinetic > 0).all() & (path.penalty > 0).all())
    cost = weight * (0.5 * path.kinetic + 0.25 * path.penalty)
    nll = negative_log_likelihood(flow, x, None, weight)
    assert flow.training_objective() is regularised_likelihood
    assert torch.allclose(regularised_likelihood(flow.train(), x, None, weight), nll + cost.mean())
    assert torch.equal(regularised_likelihood(flow.eval(), x, None, weight), nll)
    assert diffeo.CNF(2).training_objective() is negative_log_likelihood


def test_samples_need_no_divergence_and_are_the_same() -> None:
    flow = perturbed(diffeo.CNF(2, hidden=(8, 8), steps=4, supports=diffeo.positive(), seed=0))
    x, _ = flow.sample_and_log_prob(50, seed=0)
    assert torch.equal(flow.sample(50, seed=0), x)
    assert torch.allclose(flow.sample(50, seed=0, chunk_size=7), x)


def test_the_command_fits_by_matching(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, path = tmp_path / "t.csv", tmp_path / "m.safetensors"
    rows = np.random.default_rng(0).normal(size=(200, 2))
    np.savetxt(table, rows, delimiter=",", header="a,b", comments="")
    arguments = ["fit", table, "-o", path, "--model", "flowmatching", "--epochs", "2"]
    assert main([str(a) for a in arguments]) == 0
    said = capsys.readouterr().out
    assert "held-out matching loss" in said
    assert "nll" not in said
    page = tmp_path / "report.html"
    assert main(["report", str(path), str(table), "-o", str(page)]) == 0
    assert "of the matching loss" in page.read_text()
    model = diffeo.load(path)
    assert isinstance(model, diffeo.FlowMatching)
    assert np.isfinite(model.log_prob(rows)).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: diffeo.FlowMatching(2, coupling="optimal", context=1), "must be 'independent'"),
        (lambda: diffeo.FlowMatching(2, path="cubic"), "FlowMatching: path must be one of"),
        (lambda: diffeo.CNF(2, kinetic=-1.0), "kinetic must be a finite number >= 0"),
        (lambda: diffeo.OTFlow(2, hjb=math.nan), "hjb must be a finite number >= 0"),
        (lambda: diffeo.CNF(2, solver="rk5"), "solver must be one of"),
    ],
)
def test_options_out_of_range(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
    with pytest.raises(ShapeError, match="CNF: features"):
        diffeo.CNF(0)


def test_a_fit_warns_of_too_few_steps() -> None:
    angle = 2 * math.pi * torch.rand(500, generator=torch.Generator().manual_seed(0))
    ring = torch.stack([angle.cos(), angle.sin()], dim=-1)
    flow = diffeo.CNF(2, hidden=(32,), solver="euler", steps=2, seed=0)
    options = {"epochs": 15, "lr": 1e-2, "batch_size": 64, "progress": False}
    with pytest.warns(ConvergenceWarning, match=r"CNF: its log-densities are off .* steps=2"):
        flow.fit(ring, **options)
    flow.continuous.steps = 200
    assert flow.solver_error(ring).mean() < 0.05


def test_a_fit_solves_nothing_to_find_the_scale_of_the_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = diffeo.FlowMatching(2, hidden=(8,), seed=0)
    monkeypatch.setattr(type(flow.continuous), "inverse", None)
    flow.initialize(torch.randn(100, 2))
    assert bool(flow.transform[-1].initialized)
