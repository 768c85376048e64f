"""A flow in the coordinates of a normal that frames the target."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from diffeo.bases import MultivariateNormalMixture, StandardNormal
from diffeo.density import Density, Seed
from diffeo.flow import Flow
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.start import Start
from diffeo.inference.target import Target, given_gradient
from diffeo.objectives.target import LogDensity
from diffeo.transforms import MaskedAutoregressive, Sequential
from diffeo.univariates import Affine, RationalQuadraticSpline

__all__ = ["ROWS", "Approximation", "starting_at"]

BINS, BOX = 8, 6.0
HIDDEN = 64
# rows that the target and the flow work on at a time when no gradient is wanted
ROWS = 4096


class Approximation(nn.Module):
    """q(z): z = mean + L w with w from a flow.

    The frame is kept in float64 and the flow in float32: posteriors far from 0, or of scales far
    apart, lose no digits, and the flow has the speed of the native kernels.

    Args:
        flow: density of w.
        frame: a normal, mean (dim).
    """

    mean: Tensor
    scale_tril: Tensor

    def __init__(self, flow: Flow, frame: Gaussian) -> None:
        super().__init__()
        # whatever torch's default dtype
        self.flow = flow.float()
        self.register_buffer("mean", frame.mean)
        self.register_buffer("scale_tril", frame.scale_tril)

    @property
    def frame(self) -> Gaussian:
        return Gaussian(self.mean, self.scale_tril)

    @property
    def dim(self) -> int:
        return len(self.mean)

    @torch.no_grad()
    def sample_and_log_prob(self, n: int, seed: Seed = None) -> tuple[Tensor, Tensor]:
        """Points z (n, dim) and log q(z) (n), in float64."""
        w, log_prob = self.flow.sample_and_log_prob(n, seed=seed)
        return self.frame.at(w.double()), log_prob.double() - self.frame.ladj

    @torch.no_grad()
    def log_prob(self, z: Tensor) -> Tensor:
        """log q (n) at points z (n, dim)."""
        log_prob: Tensor = self.flow.log_prob(self.frame.noise(z).float())
        return log_prob.double() - self.frame.ladj

    @torch.no_grad()
    def offset(self, target: Target) -> float:
        """The target's log-density in the middle: less that, it keeps its digits in float32."""
        here = float(target.log_prob(self.mean.to(target.dtype).unsqueeze(0)))
        return here if math.isfinite(here) else 0.0

    def framed(self, target: Target, offset: float = 0.0) -> LogDensity:
        """The target's density of w, lowered by ``offset``, as a function of float32 points.

        Where it is zero it has the gradient of a standard normal, which leads back.
        """
        frame = self.frame

        def value_and_gradient(w: Tensor) -> tuple[Tensor, Tensor]:
            value, gradient = target.value_and_gradient(frame.at(w.double()).to(target.dtype))
            by_w = gradient.double() @ frame.scale_tril
            by_w = torch.where(value.isfinite().unsqueeze(-1), by_w, -w.double())
            return (value.double() + frame.ladj - offset).to(w), by_w.to(w)

        return lambda w: given_gradient(value_and_gradient, w)

    def latent(self, target: Target, offset: float = 0.0) -> LogDensity:
        """The target's density of the flow's noise u, as a function of float32 points."""
        framed = self.framed(target, offset)

        def log_prob(u: Tensor) -> Tensor:
            w, ladj = self.flow.transform(u)
            return framed(w) + ladj

        return log_prob

    def from_latent(self, u: Tensor) -> Tensor:
        """The points z (n, dim) that belong to noise (n, dim)."""
        with torch.no_grad():
            return self.frame.at(self.flow.from_base(u).double())

    def to_latent(self, z: Tensor) -> Tensor:
        """The noise (n, dim) that belongs to points z (n, dim)."""
        with torch.no_grad():
            return self.flow.to_base(self.frame.noise(z).float())

    def grow(self, blocks: int) -> None:
        """Put more layers, which start at the identity, on the side of the base."""
        transform = self.flow.transform
        more = _blocks(self.dim, blocks, HIDDEN * 2)
        self.flow = Flow(self.flow.base, Sequential(*more, *transform)).float()  # type: ignore[misc]


def starting_at(start: Start, blocks: int) -> Approximation:
    """The approximation that is the start, with layers at the identity."""
    frame = start.frame()
    flow = Flow(_base(start, frame), Sequential(*_blocks(len(frame.mean), blocks, HIDDEN)))
    return Approximation(flow, frame)


def _base(start: Start, frame: Gaussian) -> Density:
    """The start seen from its frame."""
    dim = len(frame.mean)
    if len(start.log_weights) == 1:
        return StandardNormal(dim)
    factor = torch.linalg.solve_triangular(frame.scale_tril, start.normals.scale_tril, upper=False)
    means = frame.noise(start.normals.mean)
    return MultivariateNormalMixture(means.float(), factor.float(), start.log_weights.exp().float())


def _blocks(dim: int, count: int, hidden: int) -> list[MaskedAutoregressive]:
    """Pairs of a spline and an affine layer, each pair in the reverse order of the last.

    Splines bend what lies within the box; affine layers give tails and funnels their scale.
    """
    width = (max(hidden, dim),) * 2
    layers = []
    for block in range(count):
        order = list(range(dim))[:: -1 if block % 2 else 1]
        for univariate in (RationalQuadraticSpline(BINS, (-BOX, BOX)), Affine()):
            layers.append(MaskedAutoregressive(dim, univariate, order=order, hidden=width))
    return layers
