"""Copies for an audit to work on, so that the caller's object stays as it is."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from diffeo import storage
from diffeo.described import Described

__all__ = ["compiler", "perturbed", "precisions", "rebuilt", "users_parts"]

Module = TypeVar("Module", bound=nn.Module)


def precisions(module: Module) -> tuple[Module, Module]:
    """A float32 copy and a float64 copy of the same numbers, on the CPU, in evaluation mode."""
    single = copy.deepcopy(module).cpu().float().eval()
    return single, copy.deepcopy(single).double()


def perturbed(module: Module, seed: int = 0) -> Module:
    """A copy with noise on every parameter, away from the identity where layers start.

    Adds 0.5 N(0, 1) / sqrt(fan-in) to parameters with at least two axes (all but the first make
    the fan-in), and 0.5 N(0, 1) to all others.

    Args:
        module: transform, density or network.
        seed: decides the noise.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.LU(2)
        >>> bool((diffeo.audit.perturbed(layer).weight == layer.weight).all())
        False
    """
    result = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in result.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            fan_in = max(parameter[0].numel(), 1) if parameter.ndim > 1 and len(parameter) else 1
            parameter.add_((0.5 * noise / math.sqrt(fan_in)).to(parameter))
    return result


def rebuilt(module: Any) -> Any:
    """A float64 module built again from its description, with the weights of its state_dict."""
    classes, parts = users_parts(module)
    fresh = storage.build(storage.describe(module), classes, parts).double()
    fresh.load_state_dict(module.state_dict())
    return fresh.eval()


def users_parts(module: Any) -> tuple[list[type[Described]], dict[str, Any]]:
    """Classes in the description of ``module``, and the parts that a description cannot hold."""
    classes: dict[str, type[Described]] = {}
    parts: dict[str, Any] = {}
    for path, value in _walk(module, "model"):
        if isinstance(value, Described):
            classes[type(value).__name__] = type(value)
        else:
            parts[path] = copy.deepcopy(value)
    return list(classes.values()), parts


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Described objects and other parts, by the paths that ``storage.describe`` gives them."""
    if isinstance(value, Described):
        yield path, value
        for name, argument in value.arguments().items():
            yield from _walk(argument, f"{path}.{name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}.{index}")
    elif isinstance(value, nn.Module) or (callable(value) and not isinstance(value, Tensor)):
        yield path, value


@contextmanager
def compiler() -> Iterator[Any]:
    """``torch.compile`` of whole graphs without code generation; its caches are cleared after."""

    def compiled(function: Any) -> Any:
        return torch.compile(function, fullgraph=True, backend="eager", dynamic=False)

    torch._dynamo.reset()
    try:
        yield compiled
    finally:
        torch._dynamo.reset()
