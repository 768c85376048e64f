"""Monotone scalar maps whose parameters are an input."""

from diffeo.univariates.activations import ELU, LeakyReLU, Softclip
from diffeo.univariates.affine import Affine, ClampedAffine, Shift
from diffeo.univariates.bernstein import Bernstein
from diffeo.univariates.cdf import CauchyCDF, NormalCDF
from diffeo.univariates.circular_spline import CircularRationalQuadraticSpline, PhaseShift
from diffeo.univariates.cubic_spline import CubicSpline
from diffeo.univariates.elementary import Exp, Power, Sigmoid, Softplus, Tanh
from diffeo.univariates.integral import MonotoneNetwork
from diffeo.univariates.inverted import Log, Logit
from diffeo.univariates.linear_rational_spline import LinearRationalSpline
from diffeo.univariates.linear_spline import LinearSpline
from diffeo.univariates.mixture_cdf import MixtureOfGaussians, MixtureOfLogistics
from diffeo.univariates.nonlinear_squared import NonlinearSquared
from diffeo.univariates.quadratic_spline import QuadraticSpline
from diffeo.univariates.rational_quadratic import RationalQuadraticSpline
from diffeo.univariates.sigmoidal import DeepSigmoidal, DenseSigmoidal
from diffeo.univariates.sos import SumOfSquares
from diffeo.univariates.tails import LOFT, SignedPower, SinhArcsinh
from diffeo.univariates.univariate import Univariate

__all__ = [
    "ELU",
    "LOFT",
    "Affine",
    "Bernstein",
    "CauchyCDF",
    "CircularRationalQuadraticSpline",
    "ClampedAffine",
    "CubicSpline",
    "DeepSigmoidal",
    "DenseSigmoidal",
    "Exp",
    "LeakyReLU",
    "LinearRationalSpline",
    "LinearSpline",
    "Log",
    "Logit",
    "MixtureOfGaussians",
    "MixtureOfLogistics",
    "MonotoneNetwork",
    "NonlinearSquared",
    "NormalCDF",
    "PhaseShift",
    "Power",
    "QuadraticSpline",
    "RationalQuadraticSpline",
    "Shift",
    "Sigmoid",
    "SignedPower",
    "SinhArcsinh",
    "Softclip",
    "Softplus",
    "SumOfSquares",
    "Tanh",
    "Univariate",
]
