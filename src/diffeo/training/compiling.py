"""Compiled layers for the steps of a fit: identical ones share their code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from diffeo.errors import TrainingError
from diffeo.transform import Transform
from diffeo.transforms import Inverse, Sequential

__all__ = ["LONG_FIT", "CompileError", "compiled_layers", "worth_compiling"]

# Steps that repay half a minute of compiling on a GPU, where small kernels' launches are the cost.
# On the CPU no rule repays its complexity. Compiled steps of the models with native kernels are
# slower than these; of the others they take 0.6 (splines with residual networks, context or
# float64) to 0.95 (affine ones) of the eager time, CNF 0.66, BNAF 0.2, but Gaussianization 1.1 and
# Bernstein polynomials 2.4, after 5-25 s of compiling on 2 cores.
LONG_FIT = 20_000
# distinct shapes of layers that one process may compile
SHAPES = 64


def worth_compiling(
    option: bool | Literal["auto"],
    device: torch.device,
    steps: int,
) -> bool:
    """What ``compile=`` means for a fit of so many steps at most.

    It rests on sizes alone, never on a clock: the same seed must give the same result.
    """
    return device.type == "cuda" and steps >= LONG_FIT if option == "auto" else option


class CompileError(TrainingError):
    """torch.compile cannot work here."""


@contextmanager
def compiled_layers(model: nn.Module) -> Iterator[None]:
    """Inside, the ``compiled_parts`` of every layer of ``model`` run compiled.

    A layer is a transform that is not made of transforms one after another. What is compiled
    is the method of the class, to which weights are inputs, so that layers of one class and one
    shape share the code, whatever their number. The number of rows is dynamic.

    Raises:
        CompileError: the compiler fails, for want of a C++ compiler for example.
    """
    # costs a second to import, so only who compiles pays
    import torch._dynamo

    parts = [part for layer in _layers(model) for part in layer.compiled_parts()]
    try:
        for module, name in parts:
            module.__dict__[name] = _compiled(module, name)
        with torch._dynamo.config.patch(recompile_limit=SHAPES), warnings.catch_warnings():
            # the compiler looks at what it is given, also between layers
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor", UserWarning)
            yield
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).strip().partition("\n")[0]
        raise CompileError(
            f"fit: torch.compile fails here ({reason}); it needs a C++ compiler such as g++ on the "
            f"CPU and Triton on CUDA; compile=False trains without"
        ) from error
    finally:
        for module, name in parts:
            module.__dict__.pop(name, None)


def _layers(module: nn.Module) -> Iterator[Transform]:
    if isinstance(module, Transform) and not isinstance(module, Inverse | Sequential):
        if module.compiles:
            yield module
        return
    for child in module.children():
        yield from _layers(child)


def _compiled(module: nn.Module, name: str) -> Callable[..., Any]:
    """A method of ``module`` whose first argument is a batch of events."""
    method = getattr(type(module), name)
    fast = torch.compile(method)
    learns = any(p.requires_grad for p in module.parameters())

    def run(x: Tensor, *others: Tensor | None) -> Any:
        # a part may call another
        if torch.compiler.is_compiling():
            return method(module, x, *others)
        rows = len(x) if x.ndim else 0
        # the layer next to the data would be compiled apart for an input without gradient
        if learns and torch.is_grad_enabled() and not x.requires_grad:
            x = x.detach().requires_grad_()
        for given in (x, *others):
            if given is not None and given.ndim and len(given) == rows:
                torch._dynamo.maybe_mark_dynamic(given, 0)
        # one row is a constant to the compiler, which would compile again for it
        return (fast if rows > 1 else method)(module, x, *others)

    return run
