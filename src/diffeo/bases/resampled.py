"""A normal base that a network reshapes by accepting and rejecting its draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.bases.normal import StandardNormal
from diffeo.checks import check_count, check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.nets import MLP
from diffeo.nets.layers import compress

__all__ = ["ResampledNormal"]

# points of the mean acceptance: the same ones in evaluation, new ones for each step of training
FIXED_POINTS, FRESH_POINTS = 2**14, 2**12


class ResampledNormal(Density):
    """Draws of a standard normal density n, accepted with a learned probability a(z) in (0, 1):

        p(z) = n(z) (a(z) s + (1 - Z)^(T-1)),   s = sum_{t < T-1} (1 - Z)^t,   Z = E_n[a],

    where the T-th draw is accepted in any case. It can be cut apart into modes, which no flow can
    do to a normal, at the cost of 1 / Z draws for each sample. It starts as the normal density.

    ``log_prob`` is an estimate, by that of Z: in evaluation from 16,384 scrambled Sobol points,
    always the same, so that it repeats and its error is small in few dimensions (below 1e-3 in two,
    for networks as usual); in training from 4,096 draws of torch's global generator, new ones at
    each call, through which the gradient flows. Of log Z that gradient is a ratio of unbiased means
    of the same draws, with a bias of order 1 / 4096. Samples need no Z; they cannot be
    reparameterised. Ignores context.

    Args:
        features: number of features D.
        hidden: hidden widths of the network of a, which sees z compressed.
        rounds: draws T after which the last one is taken, at least 1 (which leaves the normal
            density).

    Shapes: events (*batch, D).

    Raises:
        ShapeError: fewer than one feature.
        ValueError: fewer than one round.

    Reference: "Resampling Base Distributions of Normalizing Flows", Stimper, Schoelkopf,
    Hernandez-Lobato, 2022, arXiv:2110.15828; "Resampled Priors for Variational Autoencoders",
    Bauer, Mnih, 2019, arXiv:1810.11428.

    Example:
        >>> import torch, diffeo
        >>> base = diffeo.bases.ResampledNormal(2)
        >>> base.log_prob(torch.zeros(2)).detach(), base.exactness
        (tensor(-1.8379), 'estimate')
        >>> base.sample(5, seed=0).shape
        torch.Size([5, 2])
    """

    exactness = "estimate"
    has_rsample = False
    points: Tensor

    def __init__(
        self, features: int, *, hidden: Sequence[int] = (64, 64), rounds: int = 100
    ) -> None:
        check_features("ResampledNormal", features)
        super().__init__((features,))
        self.rounds = check_count("rounds", rounds)
        self.normal = StandardNormal(features)
        self.acceptance = MLP(features, 1, hidden)
        self.register_buffer("points", _normal_points(features), persistent=False)

    def _logit(self, z: Tensor) -> Tensor:
        """Of a(z), (*batch)."""
        logit: Tensor = self.acceptance(compress(z))[..., 0].to(z.dtype)
        return logit

    def _log_rejection(self) -> Tensor:
        """log(1 - Z)."""
        points = self.points
        if self.training:
            points = torch.randn_like(points[:FRESH_POINTS])
        return F.logsigmoid(-self._logit(points)).logsumexp(0) - math.log(len(points))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        log_normal = self.normal._log_prob(x, None)
        rejections = torch.arange(self.rounds, dtype=x.dtype, device=x.device)
        by_round = rejections * self._log_rejection()
        # in the last round nothing is rejected
        earlier, last = by_round[:-1].logsumexp(0), by_round[-1]
        return log_normal + torch.logaddexp(F.logsigmoid(self._logit(x)) + earlier, last)

    def _rsample(self, draw: Draw) -> Tensor:
        z = draw.normal(self.event_shape, self.like)
        rows = z.reshape(-1, z.shape[-1])
        waits = torch.arange(len(rows), device=rows.device)
        for _ in range(self.rounds - 1):
            if not len(waits):
                break
            at = Draw((len(waits),), None, draw.generator)
            # written so that a network of NaN accepts, and does not wait for the last round
            rejected = at.uniform((), self.like) > torch.sigmoid(self._logit(rows[waits]))
            waits = waits[rejected]
            new = Draw((len(waits),), None, draw.generator).normal(self.event_shape, self.like)
            rows = rows.index_copy(0, waits, new)
        return rows.reshape(z.shape)


def _normal_points(features: int) -> Tensor:
    """Evenly spread points (FIXED_POINTS, D) of a standard normal density."""
    engine = torch.quasirandom.SobolEngine(features, scramble=True, seed=0)
    uniform = engine.draw(FIXED_POINTS, dtype=torch.float64)
    points = torch.special.ndtri(uniform.clamp(2.0**-31, 1 - 2.0**-31))
    return points.to(torch.get_default_dtype())
