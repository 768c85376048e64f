"""Supports as users write them: ``supports=[positive(), interval(0, 1)]``."""

from __future__ import annotations

from diffeo.supports.scalar import Circle, Interval, Positive, Real
from diffeo.supports.support import Features
from diffeo.supports.vector import CorrCholesky, Ordered, PositiveOrdered, Simplex, check_size

__all__ = [
    "circle",
    "corr_cholesky",
    "interval",
    "ordered",
    "positive",
    "positive_ordered",
    "real",
    "simplex",
    "torus",
]


def real() -> Real:
    """The support of all finite numbers."""
    return Real()


def positive() -> Positive:
    """The support of finite numbers greater than zero."""
    return Positive()


def interval(low: float, high: float) -> Interval:
    """The support of numbers between ``low`` and ``high``."""
    return Interval(low, high)


def circle() -> Circle:
    """The support of angles in radians, from -pi to pi, whose ends are the same point."""
    return Circle()


def torus(columns: int) -> Features:
    """The support of ``columns`` angles.

    Raises:
        ShapeError: fewer than one.
    """
    check_size("torus", columns, 1)
    return Features([Circle()] * columns)


def ordered(columns: int) -> Ordered:
    """The support of increasing vectors of ``columns`` numbers.

    Raises:
        ShapeError: fewer than one column.
    """
    return Ordered(columns)


def positive_ordered(columns: int) -> PositiveOrdered:
    """The support of increasing vectors of ``columns`` positive numbers.

    Raises:
        ShapeError: fewer than one column.
    """
    return PositiveOrdered(columns)


def simplex(columns: int) -> Simplex:
    """The support of ``columns`` shares that sum to 1; a density counts in all but the last.

    Raises:
        ShapeError: fewer than two columns.
    """
    return Simplex(columns)


def corr_cholesky(size: int) -> CorrCholesky:
    """The support of Cholesky factors of correlation matrices, ``size * size`` columns row by row.

    A density counts in the strictly lower triangle.

    Raises:
        ShapeError: a size below two.
    """
    return CorrCholesky(size)
