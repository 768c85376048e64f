"""Univariates with their directions exchanged: Log, Logit."""

from __future__ import annotations

from torch import Tensor

from diffeo.univariates.elementary import Exp, Sigmoid
from diffeo.univariates.univariate import Univariate

__all__ = ["Inverted", "Log", "Logit"]


class Inverted(Univariate):
    """Another univariate with ``forward`` and ``inverse`` exchanged."""

    def __init__(self, univariate: Univariate) -> None:
        self.univariate = univariate
        self.num_params = univariate.num_params
        self.domain, self.codomain = univariate.codomain, univariate.domain
        self.compiles = univariate.compiles

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.inverse(x, params)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.univariate.forward(y, params)


class Log(Inverted):
    """y = log(x), from the positive numbers onto the reals; log-derivative -log(x).

    For x <= 0 the log-derivative is -inf and y that of the smallest normal number.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Log().forward(torch.ones(1), torch.empty(0, 1))
        (tensor([0.]), tensor([-0.]))
    """

    def __init__(self) -> None:
        super().__init__(Exp())


class Logit(Inverted):
    """y = log((x - low) / (high - x)), from the interval (low, high) onto the reals.

    The log-derivative is log(high - low) - log(x - low) - log(high - x); outside the interval it
    is -inf, and y that of the nearest number inside.

    Args:
        low: lower bound.
        high: upper bound, greater than ``low``.

    Raises:
        ValueError: if the bounds are not finite and ordered.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Logit(0.0, 10.0).forward(torch.full((1,), 5.0), torch.empty(0, 1))[0]
        tensor([0.])
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__(Sigmoid(low, high))
