"""Whether the standard deviations of named values can be estimated from weighted draws."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from torch import Tensor

from diffeo.inference.naming import Named
from diffeo.inference.psis import psis

__all__ = ["heavy_tails"]


def heavy_tails(
    values: Mapping[str, Tensor], log_weights: Tensor, limit: float
) -> dict[str, float]:
    """Values whose squares have a k-hat above a limit, with it.

    What importance weights w are to a mean of 1, w x^2 is to a second moment: where the tail of
    w (x - median)^2 is too heavy, the draws at hand decide the standard deviation, which another
    set of draws would put elsewhere, and which may not exist.

    Args:
        values: by name, (n, *shape).
        log_weights: of the draws (n).
        limit: for k-hat.

    Reference: "Pareto Smoothed Importance Sampling", Vehtari, Simpson, Gelman, Yao, Gabry, 2024,
    arXiv:1507.02646, section 2.4.
    """
    found = {}
    for name, value in values.items():
        columns = value.double().flatten(1).unbind(1) if value.ndim > 1 else [value.double()]
        entries = itertools.product(*(range(size) for size in value.shape[1:]))
        for entry, column in zip(entries, columns, strict=True):
            square = log_weights + 2 * (column - column.median()).abs().log()
            if bool(square.isfinite().any()) and not bool(square.isnan().any()):
                khat = psis(square).khat
                if khat > limit:
                    found[str(Named(name, entry))] = khat
    return found
