"""Spheres as cylinders: heights from -1 to 1 and one angle.

A unit vector x of R^n has, for m = 3..n, the height h_m = x_m / R_m with R_m = |(x_1, ..., x_m)|,
and the angle of (x_1, x_2). With r_m = sqrt(1 - h_m^2) = R_{m-1} / R_m the surface element is

    prod_m r_m^{m-3} dh_m dangle,

so for n = 3 heights and angles measure area as it is (Archimedes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_event
from diffeo.errors import ShapeError
from diffeo.supports import Circle, Features, Real, Sphere
from diffeo.transform import Transform
from diffeo.transforms.inside import unless_outside

__all__ = ["FromCylinder", "OnCylinder"]


class FromCylinder(Transform):
    """From n - 2 reals and an angle onto the unit vectors of R^n:

        h_m = tanh(c_m x_m),   ladj = sum_m log c_m + (m - 1) log r_m,

    where c_m, a constant, makes the height of a uniform point have variance 1 as x_m. The poles
    lie at infinity, so densities that vanish there do so on the sphere. Ignores context.

    Args:
        dim: dimension n of the space around the sphere, at least 2.

    Shapes: x (*batch, n - 1), the angle last; y (*batch, n).

    Raises:
        ShapeError: fewer than 2 dimensions, or events of another shape.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428 (section 2.2).

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.FromCylinder(3)(torch.zeros(2))[0]
        tensor([1., 0., 0.])
    """

    scale: Tensor

    def __init__(self, dim: int) -> None:
        sphere = Sphere(dim)
        super().__init__((sphere.free,), (dim,))
        self.domain = Features([*[Real()] * (dim - 2), Circle()])
        self.codomain = sphere
        # the height of a uniform point is a symmetric Beta variable; this is the sd of its artanh
        shape = torch.arange(2.0, dim, dtype=torch.float64) / 2
        scale = (torch.special.polygamma(1, shape) / 2).sqrt()
        self.register_buffer("scale", scale.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        scaled = self.scale * x[..., :-1]
        size = scaled.abs()
        # log sqrt(1 - tanh^2), even and written in |x|, where nothing cancels
        log_r = math.log(2) - size - torch.log1p(torch.exp(-2 * size))
        return _point(scaled.tanh(), log_r, x[..., -1]), self._ladj(log_r)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        radius = _squared_radii(y).sqrt()
        heights = torch.asinh(y[..., 2:] / radius[..., :-1]) / self.scale
        log_r = radius[..., :-1].log() - radius[..., 1:].log()
        x = torch.cat([heights, _angle(y)[..., None]], dim=-1)
        return x, unless_outside(self.codomain, y, -self._ladj(log_r))

    def _ladj(self, log_r: Tensor) -> Tensor:
        powers = torch.arange(2, self.out_shape[0], dtype=log_r.dtype, device=log_r.device)
        return (self.scale.log() + powers * log_r).sum(-1)


class OnCylinder(Transform):
    """A transform of n - 2 heights and an angle as one of the unit vectors of R^n:

        ladj = ladj of the heights and the angle + sum_m (m - 3) log(r_m(y) / r_m(x)).

    Where heights are moved with slope 1 at -1 and 1, as a spline on that interval does, no pole
    is singular; where besides the angle stays as it is at the poles, the density is continuous.

    Args:
        dim: dimension n of the space around the sphere, at least 2.
        transform: of n - 1 features, heights in [-1, 1] and then the angle, onto themselves.

    Shapes: x (*batch, n), context (*batch, context).

    Raises:
        ShapeError: fewer than 2 dimensions, a transform of another width, or events of another
            shape.
        ContextError: a missing context, or one of another width.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428 (section 2.2).

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.RationalQuadraticSpline(bins=8, interval=(-1.0, 1.0))
        >>> inner = diffeo.transforms.Coupling(2, spline, mask=[True, False], angles=[False, True])
        >>> y, ladj = diffeo.transforms.OnCylinder(3, inner)(torch.eye(3))
    """

    def __init__(self, dim: int, transform: Transform) -> None:
        sphere = Sphere(dim)
        if transform.in_shape != (sphere.free,) or transform.out_shape != (sphere.free,):
            raise ShapeError(
                f"OnCylinder: a sphere in {dim} dimensions has {sphere.free} heights and angle, "
                f"but {type(transform).__name__} takes events of shape {transform.in_shape} and "
                f"gives {transform.out_shape}"
            )
        super().__init__((dim,))
        self.transform = transform
        self.context = transform.context
        self.exactness = transform.exactness
        self.compiles = transform.compiles
        self.domain = self.codomain = sphere

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        return self._move(x, *self.transform(_coordinates(x), context))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        x, ladj = self._move(y, *self.transform.inverse(_coordinates(y), context))
        return x, unless_outside(self.codomain, y, ladj)

    def _move(self, x: Tensor, moved: Tensor, ladj: Tensor) -> tuple[Tensor, Tensor]:
        """The point whose heights and angle are ``moved`` from those of ``x``, and the ladj."""
        squares = _squared_radii(x)
        # a spline may round beyond its end
        heights = moved[..., :-1].clamp(-1, 1)
        before = x[..., 2:] / squares[..., 1:].sqrt()
        # r by what it changes, as near a pole 1 - h^2 alone has few digits
        change = (_squared_rest(heights).log() - _squared_rest(before).log()) / 2
        log_r = (squares[..., :-1].log() - squares[..., 1:].log()) / 2 + change
        powers = torch.arange(x.shape[-1] - 2, dtype=x.dtype, device=x.device)
        return _point(heights, log_r, moved[..., -1]), ladj + (powers * change).sum(-1)


def _coordinates(x: Tensor) -> Tensor:
    """Heights h_3, ..., h_n and the angle of ``x``, whatever its length."""
    radius = _squared_radii(x)[..., 1:].sqrt()
    heights = (x[..., 2:] / radius).clamp(-1, 1)
    return torch.cat([heights, _angle(x)[..., None]], dim=-1)


def _point(heights: Tensor, log_r: Tensor, angle: Tensor) -> Tensor:
    """The point (*batch, n) with these heights, logarithms of r and angle."""
    # R_m, the product of the r after it
    log_radius = log_r.flip(-1).cumsum(-1).flip(-1)
    radius = torch.cat([log_radius.exp(), torch.ones_like(angle)[..., None]], dim=-1)
    ring = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return torch.cat([ring * radius[..., :1], heights * radius[..., 1:]], dim=-1)


def _least(x: Tensor) -> float:
    """A squared radius so small that it stands for 0, with room for the gradients of its log."""
    return float(torch.finfo(x.dtype).tiny ** 0.75)


def _squared_radii(x: Tensor) -> Tensor:
    """R_m^2, m = 2..n, of (*batch, n)."""
    return x.square().cumsum(-1)[..., 1:].clamp(min=_least(x))


def _squared_rest(heights: Tensor) -> Tensor:
    """1 - h^2, which at the poles is taken as one rounding."""
    return ((1 - heights) * (1 + heights)).clamp(min=torch.finfo(heights.dtype).eps)


def _angle(x: Tensor) -> Tensor:
    """The angle of the first two coordinates; at their 0, where none is distinguished, 0."""
    first, second = x[..., 0], x[..., 1]
    known = first.square() + second.square() > _least(x)
    return torch.atan2(
        torch.where(known | second.isnan(), second, 0.0),
        torch.where(known | first.isnan(), first, 1.0),
    )
