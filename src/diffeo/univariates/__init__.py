"""Monotone scalar maps whose parameters are an input."""

from diffeo.univariates.affine import Affine, Shift
from diffeo.univariates.cubic_spline import CubicSpline
from diffeo.univariates.elementary import Exp, Sigmoid, Softplus, Tanh
from diffeo.univariates.linear_rational_spline import LinearRationalSpline
from diffeo.univariates.linear_spline import LinearSpline
from diffeo.univariates.quadratic_spline import QuadraticSpline
from diffeo.univariates.rational_quadratic import RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = [
    "Affine",
    "CubicSpline",
    "Exp",
    "LinearRationalSpline",
    "LinearSpline",
    "QuadraticSpline",
    "RationalQuadraticSpline",
    "Shift",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Univariate",
]
