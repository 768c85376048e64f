"""The eight 2-D toy densities of the field and a 1-D one: generators, exact log-densities.

The generators follow the descriptions in the FFJORD paper's experiments (Grathwohl et al., 2018,
arXiv:1810.01367); the log-densities are mixtures, Bessel functions, or one-dimensional quadratures
over the generating curve, so that the gap of a fitted density to the truth is measured point by
point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BIMODAL", "TOYS", "Toy"]

Generate = Callable[[int, torch.Generator], Tensor]
LogDensity = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Toy:
    """A density that can be drawn from and evaluated exactly."""

    sample: Generate
    log_prob: LogDensity


def _normal(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, dtype=torch.float64)


def _choice(n: int, k: int, generator: torch.Generator) -> Tensor:
    return torch.randint(k, (n,), generator=generator)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)


def _mixture_log_prob(x: Tensor, centres: Tensor, sd: float) -> Tensor:
    """Log-density of an equal mixture of isotropic normals, in chunks of rows."""
    parts = []
    for rows in x.split(2000):
        square = ((rows[:, None] - centres[None]) ** 2).sum(-1)
        parts.append(torch.logsumexp(-square / (2 * sd**2), dim=1))
    volume = x.shape[1] / 2 * math.log(2 * math.pi * sd**2)
    return torch.cat(parts) - math.log(len(centres)) - volume


# -- eight Gaussians: radius 4, sd 0.5, all divided by 1.414 -------------------------------------

_ROOT = 1.414
_EIGHT = _polar(torch.full((8,), 4.0), torch.arange(8) * math.pi / 4).double() / _ROOT


def _eight_gaussians(n: int, generator: torch.Generator) -> Tensor:
    noise = _normal(n, generator) * 0.5 / _ROOT
    return _EIGHT[_choice(n, 8, generator)] + noise


def _eight_gaussians_log_prob(x: Tensor) -> Tensor:
    return _mixture_log_prob(x, _EIGHT, 0.5 / _ROOT)


# -- checkerboard: uniform on 8 of the 16 cells of [-4, 4]^2 -------------------------------------


def _checkerboard(n: int, generator: torch.Generator) -> Tensor:
    first = _uniform(n, generator) * 4 - 2
    second = _uniform(n, generator) - 2 * _choice(n, 2, generator) + first.floor() % 2
    return torch.stack([first, second], dim=-1) * 2


def _checkerboard_log_prob(x: Tensor) -> Tensor:
    cell = (x / 2).floor()
    inside = (x.abs() < 4).all(-1) & ((cell.sum(-1) % 2) == 0)
    return torch.where(inside, -math.log(32), -math.inf)


# -- circles and rings: a radius, a uniform angle, isotropic noise -------------------------------


def _rings_of(radii: list[float], sd: float) -> Toy:
    radius = torch.tensor(radii, dtype=torch.float64)

    def sample(n: int, generator: torch.Generator) -> Tensor:
        angle = 2 * math.pi * _uniform(n, generator)
        return _polar(radius[_choice(n, len(radii), generator)], angle) + sd * _normal(n, generator)

    def log_prob(x: Tensor) -> Tensor:
        distance = x.norm(dim=-1, keepdim=True)
        # the angle integrates to a Bessel function; i0e = exp(-z) I0(z) does not overflow
        bessel = torch.special.i0e(distance * radius / sd**2).log()
        each = -((distance - radius) ** 2) / (2 * sd**2) + bessel
        return torch.logsumexp(each, dim=1) - math.log(len(radii) * 2 * math.pi * sd**2)

    return Toy(sample, log_prob)


# -- curves with isotropic noise: moons and swiss roll -------------------------------------------


def _noisy_curve(curve: Callable[[Tensor], Tensor], sd: float, nodes: int) -> Toy:
    """Points ``curve(u)``, u uniform on [0, 1], plus normal noise."""
    # the midpoint rule is exact enough once nodes lie much closer than sd along the curve
    centres = curve((torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes)

    def sample(n: int, generator: torch.Generator) -> Tensor:
        return curve(_uniform(n, generator)) + sd * _normal(n, generator)

    return Toy(sample, lambda x: _mixture_log_prob(x, centres, sd))


def _moons(u: Tensor) -> Tensor:
    """Two half circles, scaled by 2 and shifted; u below a half is the upper one."""
    upper = u < 0.5
    angle = math.pi * torch.where(upper, 2 * u, 2 * u - 1)
    first = torch.where(upper, angle.cos(), 1 - angle.cos())
    second = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return 2 * torch.stack([first, second], dim=-1) + torch.tensor([-1.0, -0.2])


def _swiss_roll(u: Tensor) -> Tensor:
    angle = 1.5 * math.pi * (1 + 2 * u)
    return _polar(angle, angle) / 5


# -- two spirals: a spiral and its mirror image, uniform noise and then normal noise -------------

_SPIRAL_BOX = 0.5 / 3
_SPIRAL_SD = 0.1


def _spiral(u: Tensor) -> Tensor:
    turn = u.sqrt() * 540 * 2 * math.pi / 360
    return torch.stack([-turn.cos() * turn, turn.sin() * turn], dim=-1) / 3


def _two_spirals(n: int, generator: torch.Generator) -> Tensor:
    box = torch.rand(n, 2, generator=generator, dtype=torch.float64) * _SPIRAL_BOX
    sign = 2.0 * _choice(n, 2, generator)[:, None] - 1
    point = sign * (_spiral(_uniform(n, generator)) + box)
    return point + _SPIRAL_SD * _normal(n, generator)


def _two_spirals_log_prob(x: Tensor, nodes: int = 1000) -> Tensor:
    start = _spiral((torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes)
    corners = torch.cat([start, -start - _SPIRAL_BOX])
    parts = []
    for rows in x.split(2000):
        low = (rows[:, None] - corners[None]) / _SPIRAL_SD
        high = low - _SPIRAL_BOX / _SPIRAL_SD
        # a uniform box smoothed by a normal: differences of the error function, per axis
        share = 0.5 * (torch.erf(low / math.sqrt(2)) - torch.erf(high / math.sqrt(2)))
        parts.append((share / _SPIRAL_BOX).prod(-1).mean(1))
    return torch.cat(parts).log()


# -- pinwheel: five blobs, sheared by a rotation that grows with the radius ----------------------

_BLADES, _RADIAL, _TANGENTIAL, _RATE = 5, 0.3, 0.1, 0.25


def _pinwheel(n: int, generator: torch.Generator) -> Tensor:
    blob = _normal(n, generator) * torch.tensor([_RADIAL, _TANGENTIAL]) + torch.tensor([1.0, 0.0])
    start = _choice(n, _BLADES, generator) * 2 * math.pi / _BLADES
    angle = start + _RATE * blob[:, 0].exp()
    cos, sin = angle.cos(), angle.sin()
    turned = [blob[:, 0] * cos - blob[:, 1] * sin, blob[:, 0] * sin + blob[:, 1] * cos]
    return 2 * torch.stack(turned, dim=-1)


def _pinwheel_log_prob(x: Tensor) -> Tensor:
    """Sum over blades and over the preimages of each.

    In polar coordinates a blob point (r cos a, r sin a) goes to (r, a + rate exp(r cos a) + start):
    for each point the angles a that arrive at it are found on a grid and narrowed by bisection.
    """
    parts = [_pinwheel_rows(rows / 2) for rows in x.split(10_000)]
    return torch.cat(parts) - 2 * math.log(2)


def _pinwheel_rows(x: Tensor, grid: int = 128) -> Tensor:
    radius, angle = x.norm(dim=-1), torch.atan2(x[:, 1], x[:, 0])
    nodes = torch.linspace(-math.pi, math.pi, grid + 1, dtype=torch.float64)

    def miss(a: Tensor, radius: Tensor, angle: Tensor) -> Tensor:
        # blades are 2 pi / 5 apart, so arriving at any of them is a root of one sine
        return torch.sin(_BLADES / 2 * (a + _RATE * (radius * a.cos()).exp() - angle))

    sign = miss(nodes, radius[:, None], angle[:, None]).sign()
    row, cell = (sign[:, :-1] != sign[:, 1:]).nonzero().unbind(1)
    low, high, left = nodes[cell], nodes[cell + 1], sign[row, cell]
    for _ in range(40):
        middle = (low + high) / 2
        same = miss(middle, radius[row], angle[row]) * left > 0
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    first, second = radius[row] * low.cos(), radius[row] * low.sin()
    slope = (1 - _RATE * first.exp() * second).abs()
    square = ((first - 1) / _RADIAL) ** 2 + (second / _TANGENTIAL) ** 2
    density = torch.exp(-square / 2) / (2 * math.pi * _RADIAL * _TANGENTIAL * _BLADES * slope)
    return torch.zeros(len(x), dtype=x.dtype).index_add_(0, row, density).log()


# -- one dimension: two normals ------------------------------------------------------------------

_TWO = torch.tensor([[-2.0], [2.0]], dtype=torch.float64)


def _bimodal(n: int, generator: torch.Generator) -> Tensor:
    noise = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return _TWO[_choice(n, 2, generator)] + 0.5 * noise


BIMODAL = Toy(_bimodal, lambda x: _mixture_log_prob(x, _TWO, 0.5))

TOYS: dict[str, Toy] = {
    "8gaussians": Toy(_eight_gaussians, _eight_gaussians_log_prob),
    "moons": _noisy_curve(_moons, 0.2, 1000),
    "circles": _rings_of([3.0, 1.5], 0.24),
    "rings": _rings_of([3.0, 2.25, 1.5, 0.75], 0.08),
    "pinwheel": Toy(_pinwheel, _pinwheel_log_prob),
    "swissroll": _noisy_curve(_swiss_roll, 0.2, 1000),
    "checkerboard": Toy(_checkerboard, _checkerboard_log_prob),
    "2spirals": Toy(_two_spirals, _two_spirals_log_prob),
}
