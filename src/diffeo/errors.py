"""Every error diffeo raises on purpose, and the import of optional packages."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "AuditError",
    "ContextError",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "DiffeoError",
    "DtypeError",
    "MissingExtraError",
    "ModelFileError",
    "ReversibilityError",
    "ReversibilityWarning",
    "ShapeError",
    "SolverError",
    "TargetError",
    "TrainingError",
    "UnknownModelError",
    "import_extra",
]


class DiffeoError(Exception):
    """Base class of every error that diffeo raises on purpose."""


class ShapeError(DiffeoError, ValueError):
    """A tensor, mask or conditioner has the wrong shape or width."""


class ContextError(ShapeError):
    """A conditional part got no context, or one of the wrong width."""


class DtypeError(DiffeoError, TypeError):
    """Two tensors that must share a dtype do not."""


class DataError(DiffeoError, ValueError):
    """The data cannot be used as they are; the message names row and column."""


class ModelFileError(DiffeoError, ValueError):
    """A file is not a model that this version of diffeo can read or write."""


class UnknownModelError(DiffeoError, ValueError):
    """No model has that name; the message offers the nearest ones."""


class TargetError(DiffeoError, ValueError):
    """A log-density cannot be fitted; the message says what it returned, and where."""


class TrainingError(DiffeoError, RuntimeError):
    """Training cannot go on; the message names the part at fault."""


class SolverError(DiffeoError, ArithmeticError):
    """A differential equation cannot be solved to the tolerance that was asked for."""


class ReversibilityError(DiffeoError, RuntimeError):
    """A reversible Sequential cannot tell in backward what its layers did in forward."""


class AuditError(DiffeoError, AssertionError):
    """An audited transform or density failed at least one check."""


class MissingExtraError(DiffeoError, ImportError):
    """A feature needs an optional package that is not installed."""


def import_extra(module: str, extra: str) -> ModuleType:
    """Import ``module``, or name the extra that brings it.

    Raises:
        MissingExtraError: if ``module`` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"this needs the package {package!r}: pip install 'diffeo[{extra}]'"
        ) from error


class DataWarning(UserWarning):
    """The data are usable, but something about them was changed or deserves a look."""


class ConvergenceWarning(UserWarning):
    """A numerical inverse has not converged everywhere."""


class ReversibilityWarning(UserWarning):
    """A layer of a reversible Sequential does not give back its input to enough digits."""
