"""Student's t base."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.bases.normal import normal_noise, per_feature
from diffeo.checks import check_features
from diffeo.density import Density

__all__ = ["StudentT"]


class StudentT(Density):
    """Independent Student-t variables, for tails heavier than the normal's. Ignores context.

    p(x) is proportional to prod_i (1 + x_i^2 / df_i)^(-(df_i + 1) / 2).

    Args:
        features: number of features D.
        df: degrees of freedom, a number or D numbers, positive.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: ``df`` of another length.
        ValueError: degrees of freedom that are not positive.

    Reference: "Tails of Lipschitz Triangular Flows", Jaini, Kobyzev, Yu, Brubaker, 2020,
    arXiv:1907.04481.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.StudentT(1, df=1.0).log_prob(torch.zeros(1))
        tensor(-1.1447)
    """

    df: Tensor

    def __init__(self, features: int, df: float | Sequence[float] | Tensor = 5.0) -> None:
        check_features("StudentT", features)
        super().__init__((features,))
        freedom = per_feature("df", df, features)
        if not bool((freedom > 0).all()):
            raise ValueError(f"StudentT: df must be positive, got {freedom.tolist()}")
        self.register_buffer("df", freedom)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        df = self.df
        half = (df + 1) / 2
        constant = torch.lgamma(half) - torch.lgamma(df / 2) - 0.5 * torch.log(df * math.pi)
        # x is divided first, so that large x do not overflow when squared
        ratio = x / df.sqrt()
        # log(1 + r^2) without overflow: 2 log hypot(1, r)
        tail = 2 * torch.log(torch.hypot(torch.ones_like(ratio), ratio))
        return (constant - half * tail).sum(-1)

    def _rsample(
        self, shape: tuple[int, ...], context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        noise = normal_noise(self, shape, context, generator)
        chi2 = 2 * torch._standard_gamma((self.df / 2).expand_as(noise), generator)
        # a tiny df can underflow the gamma variate to 0
        return noise * torch.sqrt(self.df / chi2.clamp(min=torch.finfo(noise.dtype).tiny))
