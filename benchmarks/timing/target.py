"""The density that case E is fitted to."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["energy"]


def energy(x: Any, xp: ModuleType) -> Any:
    """-log p + constant (rows) of two bumps on a ring, in the functions of torch or jax.numpy.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770, table 1.
    """
    first, second = x[..., 0], x[..., 1]
    ring = 0.5 * ((xp.sqrt(first**2 + second**2) - 2) / 0.4) ** 2
    bumps = xp.logaddexp(-0.5 * ((first - 2) / 0.6) ** 2, -0.5 * ((first + 2) / 0.6) ** 2)
    return ring - bumps
