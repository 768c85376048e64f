"""How a univariate's parameters meet its scalars; shared by the three placements."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.errors import ShapeError
from diffeo.nets.layers import compress
from diffeo.supports import Real
from diffeo.univariates.univariate import Univariate

__all__ = ["check_conditioner", "check_on_reals", "feature_major", "predict"]


def feature_major(x: Tensor) -> Tensor:
    """(*batch, D) to (D, *batch)."""
    return x.movedim(-1, 0)


def predict(
    conditioner: nn.Module, univariate: Univariate, x: Tensor, context: Tensor | None
) -> Tensor:
    """Parameters (num_params, D, *batch) from what the conditioner sees.

    Under autocast the networks may work in half precision; the univariate must not, so its
    parameters return to the dtype of ``x``.
    """
    seen = compress(x)
    out: Tensor = conditioner(seen) if context is None else conditioner(seen, context)
    features = out.shape[-1] // univariate.num_params
    params = feature_major(out).unflatten(0, (univariate.num_params, features))
    return params.to(x.dtype)


def check_on_reals(part: str, univariate: Univariate) -> None:
    """Raise ValueError unless ``univariate`` is from the reals to the reals."""
    if not (isinstance(univariate.domain, Real) and isinstance(univariate.codomain, Real)):
        raise ValueError(
            f"{part} needs a univariate from the reals to the reals, got {univariate!r}"
        )


def check_conditioner(
    part: nn.Module,
    conditioner: nn.Module,
    seen: tuple[int, ...],
    predicted: tuple[int, ...],
    context: int,
) -> None:
    """Call a user's conditioner once on zeros and compare the shape of what it gives.

    Raises:
        ShapeError: if it fails on (2, *seen) or does not give (2, *predicted).
    """
    like = next(conditioner.parameters(), torch.empty(0))
    x = torch.zeros(2, *seen, dtype=like.dtype, device=like.device)
    arguments = (x, x.new_zeros(2, context)) if context else (x,)
    expected = (
        f"{type(part).__name__}: its conditioner must map x {_batch_of(seen)}"
        + (f" and context (*batch, {context})" if context else "")
        + f" to {_batch_of(predicted)}"
    )
    was_training = conditioner.training
    try:
        with torch.no_grad():
            out = conditioner.eval()(*arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(f"{expected}, but calling it failed: {error}") from error
    finally:
        conditioner.train(was_training)
    if tuple(out.shape) != (2, *predicted):
        raise ShapeError(f"{expected}, but on a batch of 2 it gives {tuple(out.shape)}")


def _batch_of(shape: tuple[int, ...]) -> str:
    return f"(*batch, {', '.join(map(str, shape))})"
