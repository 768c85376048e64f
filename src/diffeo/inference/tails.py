"""Whether a log-density falls off, as that of a proper posterior must."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.errors import TargetError
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.naming import coordinate
from diffeo.inference.target import Target

__all__ = ["check_tails"]

# standard deviations from the middle at which the density is read, and how often they are halved
# until values are no longer rounded; the other end of the slope is so many times nearer
FAR, HALVINGS, NEARER = 1e4, 24, 2.0
# d log p / d log t of a density that has an integral, with room for rounding (a Cauchy's is -2)
STEEPEST = -1.05
# the same of one that has fallen and counts as level
PLATEAU = 10.0
# curvature in standard deviations below which a direction counts as level, and where it is read
LEVEL, NEAR = 1e-6, 0.1
# nats below the middle at which a level is that of the largest or smallest numbers there are
DEEP = 1e6


@torch.no_grad()
def check_tails(target: Target, frame: Gaussian) -> None:
    """Raise where the density falls off too slowly to have an integral.

    Along each coordinate, each axis of the frame and each level direction at its middle, both ways,
    d log p / d log t must be below -1 at the largest distance t, up to 10,000 standard deviations,
    at which no value is rounded onto a bound.

    Raises:
        TargetError: naming the parameter that moves most in that direction.
    """
    sd = frame.covariance.diagonal().sqrt()
    # coordinates first: they are what a message can name
    for axes in (torch.diag(sd), frame.scale_tril.mT, _level_axes(target, frame.mean, sd)):
        both = torch.cat([axes, -axes])
        far = _farthest(target, frame.mean, both)
        both, far = both[far > 0], far[far > 0].unsqueeze(-1)
        ends = frame.mean + far * both
        rise = _flat_rise(target, frame.mean, frame.mean + far / NEARER * both, ends)
        if len(rise) and float(rise.max()) > -torch.inf:
            worst = int(rise.argmax())
            index = int((both[worst] / sd).abs().argmax())
            raise TargetError(_sentence(target, frame.mean, ends[worst], index, float(rise[worst])))


def _level_axes(target: Target, middle: Tensor, sd: Tensor) -> Tensor:
    """Directions (n, dim), n >= 0, in which the log-density does not bend at the middle.

    A normal approximation need not have found them, if it is as wide as they are by chance.
    """
    ends = torch.cat([middle + NEAR * torch.diag(sd), middle - NEAR * torch.diag(sd)])
    up, down = (sd * target.value_and_gradient(ends)[1]).chunk(2)
    bend = (up - down) / (2 * NEAR)
    if not bool(bend.isfinite().all()):
        return bend[:0]
    values, vectors = torch.linalg.eigh((bend + bend.mT) / 2)
    level = values.abs() < LEVEL * values.abs().max()
    return sd * vectors.mT[level]


def _flat_rise(target: Target, middle: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """How much log p rises (n) between points (n, dim); -inf where it falls as it must."""
    points = torch.cat([middle.unsqueeze(0), near, far])
    value = target.log_prob(points)
    here, (before, after) = value[0], value[1:].chunk(2)
    slope = (after - before) / math.log(NEARER)
    # a density may rise again on a way that bends through lower ones, far below the middle
    flat = (slope > STEEPEST) & ((slope < PLATEAU) | (after > here)) & (after > here - DEEP)
    return torch.where(flat, after - before, -torch.inf)


def _sentence(target: Target, middle: Tensor, end: Tensor, index: int, rise: float) -> str:
    moved = coordinate(target.constrain, middle.to(target.dtype), index)
    where = moved.at(target.constrain(end.to(target.dtype).unsqueeze(0)))
    return (
        f"the posterior is improper or nearly so: far away log_prob, with the log-Jacobian of the "
        f"supports, changes by {rise:.3g} while the distance grows {NEARER:.0f} times, up to "
        f"{moved} = {where}; a density with a finite integral falls off faster, and the ELBO would "
        f"grow without bound. Give {moved} a proper prior"
    )


def _farthest(target: Target, middle: Tensor, axes: Tensor) -> Tensor:
    """How many times each axis (n, dim) can be taken before values round; 0 for not at all."""
    far = torch.zeros_like(axes[:, 0])
    times = FAR
    for _ in range(HALVINGS):
        open_ = (far == 0).nonzero().squeeze(-1)
        if not len(open_):
            break
        here = target.constrain((middle + times * axes[open_]).to(target.dtype))
        further = target.constrain((middle + 1.01 * times * axes[open_]).to(target.dtype))
        start = target.constrain(middle.expand(len(open_), -1).to(target.dtype))
        rounded = torch.zeros_like(open_, dtype=torch.bool)
        for name in here:
            rounded |= _rounded(*(v[name].reshape(len(open_), -1) for v in (start, here, further)))
        far[open_[~rounded]] = times
        times /= 2
    return far


def _rounded(start: Tensor, here: Tensor, further: Tensor) -> Tensor:
    """Whether values (n, entries) that have left the start no longer move, or are infinite."""
    left = here != start
    return (left.any(-1) & ~(left & (here != further)).any(-1)) | ~here.isfinite().all(-1)
