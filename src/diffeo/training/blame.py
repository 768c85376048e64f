"""Which layer made a loss non-finite."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.density import Density
from diffeo.transform import Transform

__all__ = ["blame"]


def blame(model: Density, x: Tensor, context: Tensor | None) -> str:
    """The layer at fault, in words: bad parameters first, then bad values, then bad gradients."""
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"the parameter {name} is not finite"
    for name, found in _layer_values(model, x, context):
        if not found:
            return f"{name} gives values that are not finite"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            return f"the gradient of {name} is not finite"
    return "no single layer is at fault; the objective itself is not finite"


@torch.no_grad()
def _layer_values(model: Density, x: Tensor, context: Tensor | None) -> list[tuple[str, bool]]:
    """Every innermost transform in the order it ran in, with whether what it gave was finite."""
    seen: list[tuple[str, bool]] = []
    leaves = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Transform) and not _holds_transforms(module)
    }

    def watch(name: str, module: Transform) -> None:
        for direction in ("forward", "inverse"):
            original = getattr(module, direction)

            def watched(y: Tensor, c: Tensor | None = None, *, run: object = original) -> object:
                result = run(y, c)  # type: ignore[operator]
                finite = all(bool(t.isfinite().all()) for t in result)
                seen.append((f"{name} ({type(module).__name__})", finite))
                return result

            module.__dict__[direction] = watched

    for name, module in leaves.items():
        watch(name, module)
    try:
        model.log_prob(x, context)
    finally:
        for module in leaves.values():
            for direction in ("forward", "inverse"):
                module.__dict__.pop(direction, None)
    return seen


def _holds_transforms(module: nn.Module) -> bool:
    return any(isinstance(m, Transform) for m in module.modules() if m is not module)
