"""Monotone scalar maps whose parameters are an input."""

from diffeo.univariates.affine import Affine, Shift
from diffeo.univariates.elementary import Exp, Sigmoid, Softplus, Tanh
from diffeo.univariates.rational_quadratic import RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = [
    "Affine",
    "Exp",
    "RationalQuadraticSpline",
    "Shift",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Univariate",
]
