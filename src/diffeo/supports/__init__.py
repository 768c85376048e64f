"""The sets on which variables live."""

from diffeo.supports.discrete import Categories, Discrete, Integers, categories, integers
from diffeo.supports.names import (
    circle,
    corr_cholesky,
    interval,
    ordered,
    positive,
    positive_ordered,
    real,
    simplex,
    sphere,
    torus,
)
from diffeo.supports.scalar import Circle, Interval, Positive, Real
from diffeo.supports.sphere import Sphere
from diffeo.supports.support import Features, Support, parts_of
from diffeo.supports.vector import CorrCholesky, Ordered, PositiveOrdered, Simplex

__all__ = [
    "Categories",
    "Circle",
    "CorrCholesky",
    "Discrete",
    "Features",
    "Integers",
    "Interval",
    "Ordered",
    "Positive",
    "PositiveOrdered",
    "Real",
    "Simplex",
    "Sphere",
    "Support",
    "categories",
    "circle",
    "corr_cholesky",
    "integers",
    "interval",
    "ordered",
    "parts_of",
    "positive",
    "positive_ordered",
    "real",
    "simplex",
    "sphere",
    "torus",
]
