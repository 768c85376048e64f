"""Student's t bases, with independent variables or a full scale matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.bases.cholesky import Matrix, packed_cholesky, unpacked, whitened
from diffeo.bases.normal import per_feature
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.nets import MLP
from diffeo.univariates.bounded import soft_bound

__all__ = ["MultivariateStudentT", "StudentT"]

# learned degrees of freedom stay above it: lower ones leave the range of float32 when sampled
LEAST_LEARNED = 0.5


class StudentT(Density):
    """Independent Student-t variables, for tails heavier than the normal's.

    p(x) is proportional to prod_i (1 + x_i^2 / df_i)^(-(df_i + 1) / 2). Learned or predicted,
    df = 1/2 + (start - 1/2) exp(c tanh(a / c)) with c = log 1000 and a starting at 0: the tail of
    each feature adapts to the data. Samples carry gradients to df.

    Args:
        features: number of features D.
        df: degrees of freedom, a number or D numbers, positive (where they are learned or
            predicted, their start, above 1/2).
        learned: learn them.
        context: width of the context from which they are predicted; 0 for none.
        hidden: hidden widths of the network that predicts them.

    Shapes: events (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``df`` of another length.
        ValueError: degrees of freedom that are not positive, or that start too low to be learned.

    Reference: "Tails of Lipschitz Triangular Flows", Jaini, Kobyzev, Yu, Brubaker, 2020,
    arXiv:1907.04481; "Marginal Tail-Adaptive Normalizing Flows", Laszkiewicz, Lederer, Fischer,
    2022, arXiv:2206.10311.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.StudentT(1, df=1.0).log_prob(torch.zeros(1))
        tensor(-1.1447)
    """

    df: Tensor

    def __init__(
        self,
        features: int,
        df: float | Sequence[float] | Tensor = 5.0,
        *,
        learned: bool = False,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        check_features("StudentT", features)
        super().__init__((features,), context)
        moves = learned or context > 0
        self.register_buffer("df", _positive("StudentT", per_feature("df", df, features), moves))
        self.raw_df = nn.Parameter(torch.zeros(features)) if learned else None
        self.conditioner = MLP(0, features, hidden, context) if context else None

    def freedom(self, context: Tensor | None = None) -> Tensor:
        """Degrees of freedom: (D,), or (*batch, D) where they are predicted from ``context``."""
        raw = self.raw_df
        if self.conditioner is not None and context is not None:
            predicted = self.conditioner(context[..., :0], context).to(self.df.dtype)
            raw = predicted if raw is None else raw + predicted
        return self.df if raw is None else _learned(self.df, raw)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        df = self.freedom(context)
        # x is divided first, so that large x do not overflow when squared
        ratio = x / df.sqrt()
        # log(1 + r^2) without overflow: 2 log hypot(1, r)
        tail = 2 * torch.log(torch.hypot(torch.ones_like(ratio), ratio))
        return (_log_constant(df, 1) - (df + 1) / 2 * tail).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        return noise * _stretch(self.freedom(draw.context).expand_as(noise), draw.generator)


class MultivariateStudentT(Density):
    """Student-t with a full scale matrix: one stretch of a normal vector, so features share a tail.

    p(x) is proportional to (1 + (x - loc)^T scale^-1 (x - loc) / df)^(-(df + D) / 2). Ignores
    context. For tails that differ from feature to feature see ``StudentT``.

    Args:
        features: number of features D.
        df: degrees of freedom, positive (where they are learned, their start, above 1/2).
        loc: D locations; by default 0.
        scale: (D, D) positive definite; by default the identity. The covariance is
            scale df / (df - 2), where df > 2.
        learned: learn the location, the Cholesky factor of the scale and the degrees of freedom
            (within bounds, as in ``StudentT``).

    Shapes: events (*batch, D).

    Raises:
        ShapeError: ``df``, ``loc`` or ``scale`` of another shape.
        ValueError: degrees of freedom that are not positive, or that start too low to be learned; a
            scale that is not positive definite.

    Reference: "Tails of Lipschitz Triangular Flows", Jaini, Kobyzev, Yu, Brubaker, 2020,
    arXiv:1907.04481.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.MultivariateStudentT(2, df=1.0).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    df: Tensor
    loc: Tensor
    factor: Tensor

    def __init__(
        self,
        features: int,
        df: float = 5.0,
        loc: float | Sequence[float] | Tensor = 0.0,
        scale: Matrix = None,
        *,
        learned: bool = False,
    ) -> None:
        check_features("MultivariateStudentT", features)
        super().__init__((features,))
        start = per_feature("loc", loc, features)
        packed = packed_cholesky("scale", scale, features, start.dtype)
        freedom = _positive("MultivariateStudentT", per_feature("df", df, 1)[0], learned)
        self.register_buffer("df", freedom)
        self.raw_df = nn.Parameter(torch.zeros(())) if learned else None
        if learned:
            self.loc = nn.Parameter(start)
            self.factor = nn.Parameter(packed)
        else:
            self.register_buffer("loc", start)
            self.register_buffer("factor", packed)

    def freedom(self) -> Tensor:
        """Degrees of freedom, a scalar."""
        return self.df if self.raw_df is None else _learned(self.df, self.raw_df)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        df = self.freedom()
        features = x.shape[-1]
        factor, log_det = unpacked(self.factor)
        z, infinite = whitened(x, self.loc, factor)
        ratio = z / df.sqrt()
        # log(1 + |r|^2) without overflow: the largest of 1 and |r_i| is taken out of the root
        largest = ratio.detach().abs().amax(-1, keepdim=True).clamp(min=1.0)
        rest = (ratio / largest).square().sum(-1) + largest[..., 0].reciprocal().square()
        tail = 2 * largest[..., 0].log() + rest.log()
        log_prob = _log_constant(df, features) - (df + features) / 2 * tail - log_det
        return log_prob.masked_fill(infinite, -torch.inf)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        factor, _ = unpacked(self.factor)
        stretch = _stretch(self.freedom().expand_as(noise[..., :1]), draw.generator)
        return self.loc + noise @ factor.t() * stretch


def _positive(name: str, df: Tensor, learned: bool) -> Tensor:
    if not bool((df > 0).all()):
        raise ValueError(f"{name}: df must be positive, got {df.tolist()}")
    if learned and not bool((df > LEAST_LEARNED).all()):
        raise ValueError(
            f"{name}: df that are learned or predicted must start above {LEAST_LEARNED}, "
            f"got {df.tolist()}"
        )
    return df


def _learned(start: Tensor, raw: Tensor) -> Tensor:
    return LEAST_LEARNED + (start - LEAST_LEARNED) * soft_bound(raw).exp()


def _log_constant(df: Tensor, features: int) -> Tensor:
    """log of Gamma((df + D) / 2) / (Gamma(df / 2) (df pi)^(D / 2))."""
    gammas = torch.lgamma((df + features) / 2) - torch.lgamma(df / 2)
    return gammas - features / 2 * torch.log(df * math.pi)


def _stretch(df: Tensor, generator: torch.Generator | None) -> Tensor:
    """sqrt(df / chi^2_df), by which normal noise becomes Student-t noise.

    Its gradient: "Implicit Reparameterization Gradients", Figurnov, Mohamed, Mnih, 2018,
    arXiv:1805.08498.
    """
    shape = df / 2
    # a tiny df can underflow the gamma variate to 0
    gamma = torch._standard_gamma(shape.detach(), generator).clamp(min=torch.finfo(df.dtype).tiny)
    log_gamma = gamma.log()
    if shape.requires_grad:
        # implicit reparameterisation of the logarithm, whose slope stays moderate where that of a
        # power of a tiny variate overflows
        slope = torch._standard_gamma_grad(shape.detach(), gamma) / gamma
        log_gamma = log_gamma + slope * (shape - shape.detach())
    return torch.exp((torch.log(shape) - log_gamma) / 2)
