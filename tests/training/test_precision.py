from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from registry import DENSITIES

import diffeo
from diffeo.objectives import negative_log_likelihood

ROWS = 500
CASES = [
    pytest.param(e, d, c, id=f"{e.name}-{d}-{c}".replace(" ", "_"))
    for e in DENSITIES
    for d in (3, 8)
    if d in e.features
    for c in e.contexts
]


def moved(density, scale=0.25):
    """Away from the start, half as far as the audit goes."""
    result = copy.deepcopy(density)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in result.parameters():
            width = max(p[0].numel(), 1) if p.ndim > 1 and len(p) else 1
            noise = torch.randn(p.shape, generator=draw)
            p.add_((scale * noise / math.sqrt(width)).to(p))
    return result.float().eval()


def bfloat16():
    return torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize(("entry", "features", "context"), CASES)
def test_autocast_keeps_log_likelihoods_and_dtypes(entry, features, context):
    density = moved(entry.build(features, context))
    draw = torch.Generator().manual_seed(1)
    c = torch.randn(ROWS, context, generator=draw) if context else None
    n = () if context else ROWS
    x = density.sample(n, c, seed=0)

    def log_prob():
        torch.manual_seed(2)  # bounds and estimates draw
        with torch.no_grad():
            return density.log_prob(x, c)

    expected = log_prob()
    with bfloat16():
        found = log_prob()
        samples, log_q = density.sample_and_log_prob(n, c, seed=0)
    assert {t.dtype for t in (found, samples, log_q)} == {torch.float32}
    assert samples.isfinite().all()
    difference = (found - expected) / math.prod(density.event_shape)
    assert abs(difference.mean().item()) < 0.01
    assert difference.abs().mean().item() < 0.01


def test_autocast_reaches_the_hidden_layers_alone():
    model = moved(diffeo.NSF(3, layers=1, hidden=(64, 64), seed=0))
    seen = []
    conditioner = next(m for m in model.modules() if isinstance(m, diffeo.nets.MLP))
    parts = (conditioner.input, conditioner.hidden[0], conditioner.output)
    for part in parts:
        part.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with bfloat16():
        model.log_prob(torch.randn(5, 3))
    assert seen == [torch.float32, torch.bfloat16, torch.float32]


def test_an_embedding_under_autocast_reaches_the_flow():
    flow = diffeo.Flow(
        diffeo.bases.StandardNormal(2),
        diffeo.transforms.Coupling(2, diffeo.univariates.Affine(), context=4, hidden=(8,)),
        embedding=torch.nn.Linear(3, 4),
        context=3,
    )
    x, c = torch.randn(6, 2), torch.randn(6, 3)
    with bfloat16():
        assert flow.log_prob(x, c).dtype == torch.float32


@pytest.fixture
def dtypes_of_fit(table):
    """Fits and lists the dtype of a hidden layer's output, in training and in validation."""

    def run(**options):
        seen = {}
        model = diffeo.RealNVP(2, layers=2, hidden=(16, 16), seed=0)
        layer = next(m for m in model.modules() if isinstance(m, diffeo.nets.MLP)).hidden[0]
        layer.register_forward_hook(
            lambda module, inputs, output: seen.update({module.training: output.dtype})
        )
        model.fit(table, epochs=3, progress=False, **options)
        return model, seen

    return run


def test_a_fit_in_bfloat16_trains_the_networks_alone(dtypes_of_fit, table):
    plain, seen = dtypes_of_fit()
    assert seen == {True: torch.float32, False: torch.float32}
    half, seen = dtypes_of_fit(precision="bfloat16")
    assert seen == {True: torch.bfloat16, False: torch.float32}
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    assert half.record["options"]["precision"] == "bfloat16"
    assert abs(half.record["best_loss"] - plain.record["best_loss"]) < 0.01
    loss = negative_log_likelihood(half, torch.tensor(table, dtype=torch.float32))
    assert np.isfinite(loss.item())


def test_bfloat16_is_for_float32_models(small, table):
    with pytest.raises(ValueError, match=r"precision='bfloat16' is for models of float32"):
        small().double().fit(table, precision="bfloat16", progress=False)
