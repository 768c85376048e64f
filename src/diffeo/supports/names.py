"""Supports as users write them: ``supports=[positive(), interval(0, 1)]``."""

from __future__ import annotations

from diffeo.supports.scalar import Circle, Interval, Positive, Real
from diffeo.supports.sphere import Sphere
from diffeo.supports.support import Features, Support
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
    "sphere",
    "torus",
]


def real(columns: int | None = None) -> Support:
    """The support of all finite numbers, or of vectors of ``columns`` of them.

    Raises:
        ShapeError: fewer than one column.
    """
    return _repeated("real", Real(), columns)


def positive(columns: int | None = None) -> Support:
    """The support of finite numbers greater than zero, or of vectors of ``columns`` of them.

    Raises:
        ShapeError: fewer than one column.
    """
    return _repeated("positive", Positive(), columns)


def interval(low: float, high: float, columns: int | None = None) -> Support:
    """The support of numbers between ``low`` and ``high``, or of vectors of ``columns`` of them.

    Raises:
        ValueError: bounds that are not finite and ordered.
        ShapeError: fewer than one column.
    """
    return _repeated("interval", Interval(low, high), columns)


def circle() -> Circle:
    """The support of angles in radians, from -pi to pi, whose ends are the same point."""
    return Circle()


def torus(columns: int) -> Support:
    """The support of ``columns`` angles.

    Raises:
        ShapeError: fewer than one.
    """
    return _repeated("torus", Circle(), columns)


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


def sphere(columns: int) -> Sphere:
    """The support of unit vectors of ``columns`` numbers; a density counts on the surface.

    Raises:
        ShapeError: fewer than two columns.
    """
    return Sphere(columns)


def corr_cholesky(size: int) -> CorrCholesky:
    """The support of Cholesky factors of correlation matrices, ``size * size`` columns row by row.

    A density counts in the strictly lower triangle.

    Raises:
        ShapeError: a size below two.
    """
    return CorrCholesky(size)


def _repeated(name: str, support: Support, columns: int | None) -> Support:
    if columns is None:
        return support
    check_size(name, columns, 1)
    return Features([support] * columns)
