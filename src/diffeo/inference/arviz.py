"""Draws for ArviZ."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffeo.errors import ShapeError, import_extra

__all__ = ["to_arviz"]


def to_arviz(
    draws: Mapping[str, Any],
    *,
    chains: bool = False,
    log_weights: Any = None,
    sample_stats: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> Any:
    """Draws as an ``arviz.InferenceData``.

    Independent draws become one chain, so ArviZ gives no R-hat for them; its effective sample size
    is then about their number, which says nothing about how well they were approximated.

    Args:
        draws: for each name values (n, *shape), or (chains, n, *shape); arrays or tensors.
        chains: whether the values have an axis of chains.
        log_weights: (n), or (chains, n), log importance weights of the draws; kept beside them as
            ``sample_stats.log_weight``. ArviZ does not use them: resample for a summary.
        sample_stats: other numbers of each draw by name, of the same leading axes.
        dims: for each name the names of the axes of one value.
        coords: for each axis its labels.

    Raises:
        MissingExtraError: ArviZ is not installed.
        ShapeError: no draws, or values that differ in the number of draws or chains.

    Example:
        >>> import torch
        >>> from diffeo.inference.arviz import to_arviz
        >>> data = to_arviz({"mu": torch.randn(100), "theta": torch.randn(100, 8)})
        >>> data.posterior["theta"].shape
        (1, 100, 8)
    """
    arviz = _arviz()
    stats = dict(sample_stats or {})
    if log_weights is not None:
        stats["log_weight"] = log_weights
    if not draws:
        raise ShapeError("to_arviz needs draws of at least one name")
    posterior = {name: _array(value) for name, value in draws.items()}
    lead = next(iter(posterior.values())).shape[: 1 + chains]
    return arviz.from_dict(
        posterior=_with_chains(posterior, lead, chains),
        sample_stats=_with_chains(stats, lead, chains) or None,
        dims=None if dims is None else {name: list(axes) for name, axes in dims.items()},
        coords=None if coords is None else dict(coords),
    )


def _arviz() -> Any:
    with warnings.catch_warnings():
        # what it says of its next version, on import, is for those who import it themselves
        warnings.filterwarnings("ignore", r"\s*ArviZ is undergoing", FutureWarning)
        return import_extra("arviz", "bayes")


def _array(value: Any) -> Any:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _with_chains(values: Mapping[str, Any], lead: tuple[int, ...], chains: bool) -> dict[str, Any]:
    arrays = {name: _array(value) for name, value in values.items()}
    for name, array in arrays.items():
        if len(lead) < 1 + chains or array.shape[: 1 + chains] != lead:
            wanted = "(chains, n, *shape)" if chains else "(n, *shape)"
            raise ShapeError(
                f"{name!r} must have the shape {wanted} with the same leading axes as the other "
                f"values, {lead}, got {array.shape}"
            )
    return arrays if chains else {name: array[None] for name, array in arrays.items()}
