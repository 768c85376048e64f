"""Densities of angles: uniform, and von Mises."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.bases.normal import per_feature
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.supports import torus

__all__ = ["TorusUniform", "VonMises", "on_support"]

# each accepts at least 65 % of what is left, so that this many never happen
MOST_ROUNDS = 200


class TorusUniform(Density):
    """Uniform density of D angles from -pi to pi: (2 pi)^-D. Ignores context.

    Args:
        features: number of angles D.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: fewer than one angle.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.TorusUniform(1).log_prob(torch.zeros(1))
        tensor(-1.8379)
    """

    def __init__(self, features: int) -> None:
        check_features("TorusUniform", features)
        super().__init__((features,))
        self.support = torus(features)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        level = x.new_full(x.shape[:-1], -x.shape[-1] * math.log(2 * math.pi))
        return on_support(self, x, level)

    def _rsample(self, draw: Draw) -> Tensor:
        return math.pi * (2 * draw.uniform(self.event_shape, self.like) - 1)


class VonMises(Density):
    """Independent von Mises variables, the normals of the circle:

        p(x) = prod_i exp(k_i cos(x_i - m_i)) / (2 pi I_0(k_i)),   x_i in [-pi, pi].

    Samples are drawn by rejection, so they cannot be reparameterised. Ignores context.

    Args:
        features: number of angles D.
        loc: mean directions m, a number or D numbers.
        concentration: k, a number or D numbers, positive; about 1 / variance where it is large.
        learned: learn both.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: ``loc`` or ``concentration`` of another length.
        ValueError: a concentration that is not positive.

    Reference: "Efficient Simulation of the von Mises Distribution", Best, Fisher, 1979, Applied
    Statistics 28 (the wrapped Cauchy envelope of the sampler).

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.VonMises(1, concentration=4.0).log_prob(torch.zeros(1))
        tensor(-0.2628)
    """

    has_rsample = False
    loc: Tensor
    log_concentration: Tensor

    def __init__(
        self,
        features: int,
        loc: float | Sequence[float] | Tensor = 0.0,
        concentration: float | Sequence[float] | Tensor = 1.0,
        *,
        learned: bool = False,
    ) -> None:
        check_features("VonMises", features)
        super().__init__((features,))
        self.support = torus(features)
        start = per_feature("loc", loc, features)
        strength = per_feature("concentration", concentration, features)
        if not bool(((strength > 0) & strength.isfinite()).all()):
            raise ValueError(
                f"VonMises: concentration must be positive and finite, got {strength.tolist()}; "
                f"TorusUniform has none"
            )
        if learned:
            self.loc = nn.Parameter(start)
            self.log_concentration = nn.Parameter(strength.log())
        else:
            self.register_buffer("loc", start)
            self.register_buffer("log_concentration", strength.log())

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        k = self.log_concentration.exp()
        # cos(d) - 1 in a form that keeps its digits near 0, and I_0 without its exponential
        fall = -2 * torch.sin((x - self.loc) / 2).square()
        each = k * fall - torch.log(2 * math.pi * torch.special.i0e(k))
        return on_support(self, x, each.sum(-1))

    def _rsample(self, draw: Draw) -> Tensor:
        angle, waits = self._proposal(draw)
        for _ in range(MOST_ROUNDS):
            if not bool(waits.any()):
                return self.support.nearest(self.loc + angle)
            again, rejected = self._proposal(draw)
            angle = torch.where(waits, again, angle)
            waits = waits & rejected
        raise RuntimeError(
            f"VonMises: {int(waits.sum())} samples were rejected {MOST_ROUNDS} times"
        )

    def _proposal(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """Angles about 0 from a wrapped Cauchy density, and which of them are rejected.

        With that density's r = (1 + rho^2) / (2 rho) as Best and Fisher choose it, an angle is
        kept with probability v exp(1 - v), v = k (r - cos(angle)). All of it is written so that
        nothing cancels, whether k is tiny or huge.
        """
        k = self.log_concentration.exp()
        root = torch.sqrt(1 + 4 * k * k)
        tau = 1 + root
        wide = tau + torch.sqrt(2 * tau)  # 2 k / rho
        gap = 1 + 1 / (root + 2 * k) + torch.sqrt(2 * tau)  # wide - 2 k
        half_turn = math.pi * (draw.uniform(self.event_shape, self.like) - 0.5)
        angle = 2 * torch.atan(gap / (wide + 2 * k) * torch.tan(half_turn))
        v = gap * gap / (4 * wide) + 2 * k * torch.sin(angle / 2).square()
        keep = torch.log(v) + 1 - v
        # written so that NaN parameters give NaN samples, not an endless wait
        return angle, torch.log(draw.uniform(self.event_shape, self.like)) > keep


def on_support(density: Density, x: Tensor, log_prob: Tensor) -> Tensor:
    """``log_prob``, but -inf outside the support and NaN at NaN."""
    inside = density.support.contains(x).all(-1)
    log_prob = torch.where(inside, log_prob, -torch.inf)
    return torch.where(x.isnan().any(-1), torch.nan, log_prob)
