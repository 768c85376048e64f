"""Every public part is registered, and the audit passes on all of them."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from registry import DENSITIES, OF_TABLES, SURJECTIONS, TRANSFORMS, Entry, cases
from torch import nn

import diffeo
from diffeo import bases, models, surjections, transforms, univariates
from diffeo.audit import check_flow, check_transform, perturbed
from diffeo.transform import Transform
from diffeo.univariates import Univariate

REGISTERED = {cls for entry in TRANSFORMS + DENSITIES + SURJECTIONS for cls in entry.covers}
REGISTERED |= set(OF_TABLES)


def _public(module: ModuleType) -> list[type]:
    items = [getattr(module, name) for name in module.__all__]
    return [item for item in items if inspect.isclass(item) and not inspect.isabstract(item)]


@pytest.mark.parametrize(
    "module", [transforms, univariates, bases, models, surjections], ids=lambda m: m.__name__
)
def test_public_classes_are_registered(module: ModuleType) -> None:
    assert [cls.__name__ for cls in _public(module) if cls not in REGISTERED] == []


def test_front_door_densities_and_transforms_are_registered() -> None:
    parts = [c for c in _public(diffeo) if issubclass(c, (diffeo.density.Density, Transform))]
    assert [cls.__name__ for cls in parts if cls not in REGISTERED] == []


def test_abstract_classes_are_the_only_ones_left_out() -> None:
    assert inspect.isabstract(Transform)
    assert inspect.isabstract(Univariate)


def _name(value: Any) -> str:
    return value.name.replace(" ", "_") if isinstance(value, Entry) else str(value)


def _options(entry: Entry) -> dict[str, Any]:
    named = {"tolerance": entry.tolerance, "single_tolerance": entry.single_tolerance}
    return {name: value for name, value in named.items() if value is not None}


@pytest.mark.parametrize(("entry", "features", "context"), cases(TRANSFORMS), ids=_name)
def test_transform_audit(entry: Entry, features: int, context: int) -> None:
    transform = entry.build(features, context)
    check_transform(
        transform, identity=entry.identity, trace=False, **_options(entry)
    ).raise_if_failed()
    if _has_parameters(transform) or features == 3:
        # tracing costs seconds, and the numbers of features and parameters do not change it
        check_transform(
            perturbed(transform), trace=features == 3, **_options(entry)
        ).raise_if_failed()


@pytest.mark.parametrize(("entry", "features", "context"), cases(DENSITIES), ids=_name)
def test_density_audit(entry: Entry, features: int, context: int) -> None:
    density = entry.build(features, context)
    check_flow(density, trace=False, **_options(entry)).raise_if_failed()
    if _has_parameters(density) or features == 3:
        check_flow(perturbed(density), trace=features == 3, **_options(entry)).raise_if_failed()


def _has_parameters(module: nn.Module) -> bool:
    return any(parameter.numel() for parameter in module.parameters())


def test_perturbation_moves_every_parameter() -> None:
    layer = transforms.Coupling(3, univariates.Affine(), hidden=(64, 64))
    moved = perturbed(layer, seed=1)
    for name, before in layer.named_parameters():
        noise = (moved.get_parameter(name) - before).detach()
        assert bool((noise != 0).all()), name
    moves = moved.conditioner.hidden[0].weight - layer.conditioner.hidden[0].weight
    # the weight has 64 x 64 elements
    assert float(moves.detach().std()) == pytest.approx(0.5 / 8, rel=0.05)


@pytest.mark.parametrize("entry", DENSITIES, ids=_name)
def test_state_dicts_pass_torch_save_and_the_safe_torch_load(entry: Entry, tmp_path: Path) -> None:
    """zuko 1.6 needs an unpickler for its modules; a state_dict here holds tensors alone."""
    features, context = entry.features[-1], entry.contexts[-1]
    density = perturbed(entry.build(features, context))
    torch.save(density.state_dict(), tmp_path / "weights.pt")
    fresh = entry.build(features, context)
    fresh.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    c = torch.randn(5, context) if context else None
    x = density.sample((), c, seed=0) if context else density.sample(5, seed=0)
    found = []
    for each in (fresh, density):
        torch.manual_seed(0)  # a bound draws
        found.append(each.log_prob(x, c))
    assert torch.equal(*found)
