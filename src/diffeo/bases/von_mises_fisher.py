"""Bases on spheres: the uniform density, von Mises-Fisher densities and their mixtures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.bases.von_mises import MOST_ROUNDS, on_support
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Sphere

__all__ = ["SphereUniform", "VonMisesFisher", "VonMisesFisherMixture", "fall_of_cosine"]

# of Gauss-Legendre quadrature on [-1, 1]: float64, so that both precisions round them once
NODES, WEIGHTS = map(torch.from_numpy, np.polynomial.legendre.leggauss(128))


class SphereUniform(Density):
    """Uniform density on the unit vectors of R^n, by the surface measure. Ignores context.

    Args:
        dim: dimension n of the space around the sphere, at least 2.

    Shapes: events (*batch, n).

    Raises:
        ShapeError: fewer than 2 dimensions.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.SphereUniform(3).log_prob(torch.tensor([0.0, 0.0, 1.0]))
        tensor(-2.5310)
    """

    def __init__(self, dim: int) -> None:
        sphere = Sphere(dim)
        super().__init__((dim,))
        self.support = sphere

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return on_support(self, x, x.new_full(x.shape[:-1], -_log_area(x.shape[-1])))

    def _rsample(self, draw: Draw) -> Tensor:
        return self.support.nearest(draw.normal(self.event_shape, self.like))


class VonMisesFisherMixture(Density):
    """Mixture of von Mises-Fisher densities, the round normals of the sphere:

        p(x) = sum_i w_i exp(k_i (x . m_i - 1)) / Z(k_i),   |x| = |m_i| = 1,
        Z(k) = S int_0^pi exp(k (cos t - 1)) sin(t)^{n-2} dt,

    with S the area of the sphere one dimension lower; the integral is a quadrature, to the last
    digits for every n and k. Samples are drawn by rejection, so they cannot be reparameterised.
    Ignores context.

    Args:
        loc: mean directions m (K, n), of any length but 0.
        concentration: k (K,), positive; about 1 / variance where it is large.
        weights: positive w (K,), of which only the ratios count; None for equal ones.
        learned: learn all three.

    Shapes: events (*batch, n).

    Raises:
        ShapeError: arguments of shapes that do not fit.
        ValueError: a direction of length 0; concentrations or weights that are not positive.

    Reference: "Simulation of the von Mises Fisher distribution", Wood, 1994,
    doi:10.1080/03610919408813161 (the sampler); "Clustering on the Unit Hypersphere using von
    Mises-Fisher Distributions", Banerjee, Dhillon, Ghosh, Sra, 2005, JMLR 6 (mixtures).

    Example:
        >>> import torch, diffeo
        >>> poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
        >>> diffeo.bases.VonMisesFisherMixture(poles, [5.0, 5.0]).log_prob(poles[0])
        tensor(-0.9215)
    """

    has_rsample = False
    loc: Tensor
    log_concentration: Tensor
    logits: Tensor

    def __init__(
        self,
        loc: Tensor | Sequence[Sequence[float]],
        concentration: Tensor | Sequence[float],
        weights: Tensor | Sequence[float] | None = None,
        *,
        learned: bool = False,
    ) -> None:
        name = type(self).__name__
        directions, strength = _plain(loc), _plain(concentration)
        if directions.ndim != 2 or 0 in directions.shape:
            raise ShapeError(f"{name}: loc must have shape (K, n), got {tuple(directions.shape)}")
        count, dim = directions.shape
        share = torch.ones(count) if weights is None else _plain(weights)
        if strength.shape != (count,) or share.shape != (count,):
            raise ShapeError(
                f"{name}: {count} directions need as many concentrations and weights, got shapes "
                f"{tuple(strength.shape)} and {tuple(share.shape)}"
            )
        sphere = Sphere(dim)
        length = directions.norm(dim=-1)
        for what, values in (("length", length), ("concentration", strength), ("weight", share)):
            if not bool(((values > 0) & values.isfinite()).all()):
                raise ValueError(
                    f"{name}: every {what} must be positive and finite, got {values.tolist()}"
                )
        super().__init__((dim,))
        self.support = sphere
        start = {
            "loc": directions / length[:, None],
            "log_concentration": strength.log(),
            "logits": (share / share.sum()).log(),
        }
        for key, value in start.items():
            if learned:
                self.register_parameter(key, nn.Parameter(value))
            else:
                self.register_buffer(key, value)
        # numbers a row, by which chunks of rows are chosen
        self.row_width = count * dim

    def components(self, x: Tensor) -> Tensor:
        """log(w_i p_i(x)) (*batch, K) of unit vectors."""
        step = x.unsqueeze(-2) - F.normalize(self.loc, dim=-1)
        k = self.log_concentration.exp()
        # x . m - 1 in a form that keeps its digits near m
        each = -k * step.square().sum(-1) / 2 - _log_normaliser(k, x.shape[-1])
        return each + torch.log_softmax(self.logits, dim=0)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        unit = self.support.nearest(x)
        return on_support(self, x, torch.logsumexp(self.components(unit), dim=-1))

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        if noise.numel() == 0:
            return noise
        rows = noise[..., 0].numel()
        shares = torch.softmax(self.logits, dim=0)
        chosen = torch.multinomial(shares, rows, replacement=True, generator=draw.generator)
        chosen = chosen.reshape(noise.shape[:-1])
        loc = F.normalize(self.loc, dim=-1)[chosen]
        fall = self._falls(draw, self.log_concentration.exp()[chosen])[..., None]
        side = self.support.nearest(noise - (noise * loc).sum(-1, keepdim=True) * loc)
        return self.support.nearest((1 - fall) * loc + (fall * (2 - fall)).sqrt() * side)

    def _falls(self, draw: Draw, k: Tensor) -> Tensor:
        """1 - x . m of samples with concentrations ``k``, by rejection."""
        fall, waits = self._proposal(draw, k)
        for _ in range(MOST_ROUNDS):
            if not bool(waits.any()):
                return fall
            again, rejected = self._proposal(draw, k)
            fall = torch.where(waits, again, fall)
            waits = waits & rejected
        raise RuntimeError(
            f"{type(self).__name__}: {int(waits.sum())} samples were rejected {MOST_ROUNDS} times"
        )

    def _proposal(self, draw: Draw, k: Tensor) -> tuple[Tensor, Tensor]:
        """Wood's envelope, written in 1 - x . m, in which nothing cancels where k is large."""
        free = self.event_shape[0] - 1
        b = free / (2 * k + torch.sqrt(4 * k * k + free**2))
        # a Beta(free / 2, free / 2) variable from normals
        squares = draw.normal((2, free), self.like).square().sum(-1)
        z = squares[..., 0] / squares.sum(-1)
        fall = 2 * b * z / (1 - (1 - b) * z)
        log_ratio = torch.log((1 + b) / 2 + fall * (1 - b) * (1 + b) / (4 * b))
        keep = k * (2 * b / (1 + b) - fall) + free * log_ratio
        # written so that NaN parameters give NaN samples, not an endless wait
        return fall, torch.log(draw.uniform((), self.like)) > keep


class VonMisesFisher(VonMisesFisherMixture):
    """The von Mises-Fisher density, the round normal of the sphere:

        p(x) = exp(k (x . m - 1)) / Z(k),   |x| = |m| = 1,

    by the surface measure, with Z as in ``VonMisesFisherMixture``. Ignores context.

    Args:
        loc: mean direction m (n,), of any length but 0.
        concentration: k, positive; about 1 / variance where it is large.
        learned: learn both.

    Shapes: events (*batch, n).

    Raises:
        ShapeError: ``loc`` is not a vector of at least 2 numbers.
        ValueError: a direction of length 0, or a concentration that is not positive.

    Example:
        >>> import torch, diffeo
        >>> base = diffeo.bases.VonMisesFisher([0.0, 0.0, 1.0], 5.0)
        >>> base.log_prob(torch.tensor([0.0, 0.0, 1.0]))
        tensor(-0.2284)
    """

    def __init__(
        self, loc: Tensor | Sequence[float], concentration: float = 1.0, *, learned: bool = False
    ) -> None:
        direction = _plain(loc)
        if direction.ndim != 1:
            raise ShapeError(
                f"VonMisesFisher: loc must have shape (n,), got {tuple(direction.shape)}"
            )
        super().__init__(direction[None], [concentration], learned=learned)


def fall_of_cosine(k: Tensor, dim: int) -> Tensor:
    """E[1 - x . m] of von Mises-Fisher variables with concentrations ``k`` (...)."""
    t, log_terms = _quadrature(k, dim)
    return (torch.softmax(log_terms, dim=-1) * 2 * torch.sin(t / 2).square()).sum(-1)


def _log_normaliser(k: Tensor, dim: int) -> Tensor:
    """log Z(k) (...)."""
    _, log_terms = _quadrature(k, dim)
    return torch.logsumexp(log_terms, dim=-1) + _log_area(dim - 1)


def _quadrature(k: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Angles from m (..., nodes) and the logarithms of the terms that add up to Z / S."""
    nodes, weights = (t.to(k.device, k.dtype) for t in (NODES, WEIGHTS))
    # beyond this angle there is less than a rounding of the mass
    reach = (math.pi / 2 * (math.sqrt(dim) + 9) * k.detach().rsqrt()).clamp(max=math.pi)
    t = reach[..., None] * (nodes + 1) / 2
    log_terms = -2 * k[..., None] * torch.sin(t / 2).square() + (dim - 2) * torch.sin(t).log()
    return t, log_terms + (weights * reach[..., None] / 2).log()


def _log_area(dim: int) -> float:
    """log of the surface of the unit sphere in so many dimensions."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


def _plain(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.get_default_dtype()).detach().clone()
