"""Calling a user's log-density, and saying what is wrong with it in the user's terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffeo.errors import DiffeoError, TargetError

__all__ = ["called", "check_rows", "check_values"]

_BATCH = (
    "The first axis of every value is the batch: take columns with [:, i], append an axis for data "
    "with .unsqueeze(-1), sum with .sum(-1). torch.func.vmap(log_prob) makes such a function of "
    "one that is written for a single point"
)
_NUMPY = (
    "compute in torch operations, or give value and gradient in numpy to "
    "diffeo.inference.numpy_target"
)
_NAMES = 'The values are in a dictionary under the names of params, as in values["mu"]'
# what the text of an error gives away, and the advice for it; the first that fits counts
_ADVICE = (
    ("numpy", f"The parameters are torch tensors: {_NUMPY}"),
    ("data-dependent control flow", "Write torch.where instead of if"),
    (
        "Boolean value of Tensor",
        "The parameters are batches: write torch.where instead of if",
    ),
    (
        "satisfy the constraint",
        "Declare the support of the parameter, such as diffeo.positive() for a scale",
    ),
    (
        "to be within the support",
        "Declare the support of the parameter, such as diffeo.positive() or "
        "diffeo.interval(0, 1), or return -inf outside it",
    ),
    (
        "in-place operation",
        "Do not change the parameters in place, as .mul_() and += do: make new tensors",
    ),
    (
        "required positional argument",
        "log_prob is called with one argument: a dictionary of the named values where there are "
        "params=, vectors (n, dim) where there is dim=",
    ),
    ("KeyError", _NAMES),
    ("'dict' object has no attribute", _NAMES),
    (
        "dtype",
        "Give the dtype of the data, such as fit_posterior(..., dtype=torch.float64)",
    ),
)


def called(function: Callable[[Any], Any], argument: Any) -> Any:
    """``function(argument)``; errors that it raises come with what it was called with.

    Raises:
        TargetError: from any error of the function.
    """
    try:
        return function(argument)
    except DiffeoError:
        raise
    except Exception as error:
        words = " ".join(str(error).split())
        words = f"{type(error).__name__}: {words}"
        advice = next((advice for sign, advice in _ADVICE if sign in words), _BATCH)
        raise TargetError(
            f"log_prob raised {_shortened(words)} It was called with a batch of points, "
            f"{_described(argument)}. {advice}"
        ) from error


def check_values(value: Any, points: int) -> None:
    """Raise unless ``value`` is one real number for each point."""
    expected = (
        f"log_prob must return one number for each of the {points} points of a batch, a tensor of "
        f"shape ({points},), but it returned"
    )
    if isinstance(value, np.ndarray | np.generic):
        raise TargetError(f"{expected} a {type(value).__name__} of numpy: {_NUMPY}")
    if not isinstance(value, Tensor):
        raise TargetError(f"{expected} {_shortened(' '.join(repr(value).split()), 60)}")
    if value.shape != (points,):
        raise TargetError(f"{expected} shape {tuple(value.shape)}. {_BATCH}")
    if not value.is_floating_point():
        raise TargetError(f"{expected} {value.dtype}, not real numbers with a gradient")


@torch.no_grad()
def check_rows(log_prob: Callable[[Tensor], Tensor], z: Tensor) -> None:
    """Raise where the value at a point depends on the other points of its batch.

    Args:
        log_prob: of points (n, dim).
        z: points of which more than one has a finite density.
    """
    together = log_prob(z)
    # in another order and number, so that no row keeps its place or all of its neighbours
    few = torch.arange(len(z) - 1, 0, -2)
    apart = log_prob(z[few])
    together = together[few]
    tolerance = 1e-3 * (1 + together.abs().clamp(max=1e30))
    differ = ~((apart == together) | ((apart - together).abs() <= tolerance))
    if bool(differ.any()):
        row = int(differ.nonzero()[0])
        raise TargetError(
            f"log_prob gives the same point {float(together[row]):.6g} in one batch and "
            f"{float(apart[row]):.6g} in another: it mixes the points of a batch, as a .sum() over "
            f"all axes does, or it draws random numbers. {_BATCH}"
        )


def _described(argument: Any) -> str:
    if not isinstance(argument, dict):
        return f"an array of shape {tuple(argument.shape)} and {argument.dtype}"
    each = [f"{name!r} {tuple(value.shape)}" for name, value in argument.items()]
    dtypes = {str(value.dtype) for value in argument.values()}
    return f"a dictionary of {', '.join(each)}, of {', '.join(dtypes)}"


def _shortened(words: str, most: int = 160) -> str:
    return f"{words.rstrip('.')}." if len(words) <= most else f"{words[:most]}..."
