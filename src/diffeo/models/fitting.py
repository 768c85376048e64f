"""The shortest way from a table to a density."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from diffeo.arrays import ArrayLike
from diffeo.errors import DataError
from diffeo.flow import Flow
from diffeo.models.names import model_class

__all__ = ["fit"]


def _width(x: ArrayLike, name: str) -> int:
    shape = tuple(x.shape) if isinstance(x, Tensor) or hasattr(x, "shape") else np.shape(x)
    if len(shape) != 2:
        raise DataError(f"{name} must have shape (rows, columns), got {shape}")
    return int(shape[1])


def fit(
    X: ArrayLike,
    *,
    context: ArrayLike | None = None,
    model: str = "nsf",
    seed: int = 0,
    model_options: dict[str, Any] | None = None,
    **options: Any,
) -> Flow:
    """Build a named model of the right width and fit it.

    Args:
        X: (rows, features).
        context: (rows, context), for a conditional density.
        model: name of a model in any case, such as nsf or maf (``diffeo.models.MODEL_NAMES``).
        seed: seed of the initial weights and of the fit.
        model_options: further arguments of the model.
        **options: further arguments of ``Model.fit``.

    Returns:
        The fitted model.

    Raises:
        UnknownModelError: no such model; the nearest names are offered.
        As ``Model.fit``.

    Example:
        >>> import diffeo, numpy as np
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> flow = diffeo.fit(X, model="realnvp", epochs=1, progress=False)
        >>> flow.log_prob(X).shape
        (200,)
    """
    width = 0 if context is None else _width(context, "context")
    build = model_class(model)
    flow: Flow = build(_width(X, "X"), context=width, seed=seed, **(model_options or {}))
    return flow.fit(X, context=context, seed=seed, **options)
