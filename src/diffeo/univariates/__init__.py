"""Monotone scalar maps whose parameters are an input."""

from diffeo.univariates.activations import ELU, LeakyReLU, Softclip
from diffeo.univariates.affine import Affine, ClampedAffine, Shift
from diffeo.univariates.cdf import CauchyCDF, NormalCDF
from diffeo.univariates.cubic_spline import CubicSpline
from diffeo.univariates.elementary import Exp, Power, Sigmoid, Softplus, Tanh
from diffeo.univariates.inverted import Log, Logit
from diffeo.univariates.linear_rational_spline import LinearRationalSpline
from diffeo.univariates.linear_spline import LinearSpline
from diffeo.univariates.quadratic_spline import QuadraticSpline
from diffeo.univariates.rational_quadratic import RationalQuadraticSpline
from diffeo.univariates.tails import LOFT, SignedPower, SinhArcsinh
from diffeo.univariates.univariate import Univariate

__all__ = [
    "ELU",
    "LOFT",
    "Affine",
    "CauchyCDF",
    "ClampedAffine",
    "CubicSpline",
    "Exp",
    "LeakyReLU",
    "LinearRationalSpline",
    "LinearSpline",
    "Log",
    "Logit",
    "NormalCDF",
    "Power",
    "QuadraticSpline",
    "RationalQuadraticSpline",
    "Shift",
    "Sigmoid",
    "SignedPower",
    "SinhArcsinh",
    "Softclip",
    "Softplus",
    "Tanh",
    "Univariate",
]
