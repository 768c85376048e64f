"""numpy, pandas, polars and lists in; tensors inside; numpy out again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.errors import DataError, DtypeError

__all__ = [
    "ArrayLike",
    "Floats",
    "column_names",
    "default_names",
    "in_order",
    "is_tensor_like",
    "like_input",
    "to_tensor",
]

Floats = npt.NDArray[np.float64]
ArrayLike = Any  # a torch tensor, a numpy array, a pandas or polars frame, or nested lists


def column_names(x: ArrayLike) -> list[str] | None:
    """Names of the columns of a data frame; None for anything else."""
    columns = getattr(x, "columns", None)
    return None if columns is None else [str(name) for name in columns]


def default_names(count: int, letter: str) -> list[str]:
    """Names of columns that came without: x0, x1, ..."""
    return [f"{letter}{i}" for i in range(count)]


def in_order(x: ArrayLike, expected: list[str], name: str) -> ArrayLike:
    """The columns of a data frame in the order ``expected``; anything else as it is.

    Raises:
        DataError: a frame with other columns; they are named.
    """
    found = column_names(x)
    if found is None or not expected or found == expected:
        return x
    missing, extra = set(expected) - set(found), set(found) - set(expected)
    if not missing and not extra:
        by_name = dict(zip(found, x.columns, strict=True))
        return x[[by_name[column] for column in expected]]
    if expected in (default_names(len(expected), letter) for letter in "xc"):
        return x  # nobody named the columns: their order is all that is known
    raise DataError(
        f"{name} must have the columns of the fit, {expected}"
        + (f"; missing: {sorted(missing)}" if missing else "")
        + (f"; not in the fit: {sorted(extra)}" if extra else "")
    )


def _to_numpy(x: ArrayLike, name: str) -> np.ndarray[Any, Any]:
    try:
        array = x.to_numpy() if hasattr(x, "to_numpy") else np.asanyarray(x)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} is not an array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        return _numeric_columns(array, column_names(x), name)
    # a plain copy: torch takes no other byte order, long double, negative stride or locked memory
    array = array.astype(np.float64, order="C")
    return array.filled(np.nan) if isinstance(array, np.ma.MaskedArray) else array


def _numeric_columns(
    array: np.ndarray[Any, Any], names: list[str] | None, name: str
) -> np.ndarray[Any, Any]:
    """Array of objects to float64, or an error that names the first cell that is not a number."""
    if array.dtype.kind not in "OUS":
        raise DataError(f"{name} must be numeric, but its dtype is {array.dtype}")
    try:
        return array.astype(np.float64, order="C")
    except (ValueError, TypeError):
        index, value = next(cell for cell in np.ndenumerate(array) if not _is_number(cell[1]))
    value = value.item() if isinstance(value, np.generic) else value
    where = f"row {index[0]}" if index else "the value"
    if len(index) > 1:
        where += f", column {names[index[1]]!r}" if names else f", column {index[1]}"
    raise DataError(
        f"{name} must be numeric, but {where} holds {value!r}; "
        f"drop the column or encode it as numbers"
    )


def _is_number(value: Any) -> bool:
    try:
        np.float64(value)
    except (ValueError, TypeError):
        return False
    return True


def is_tensor_like(*values: ArrayLike | None) -> bool:
    """Whether every value that is given is a tensor, so that a tensor goes out."""
    return all(value is None or isinstance(value, Tensor) for value in values)


def like_input(result: Tensor, *inputs: ArrayLike | None) -> Any:
    """``result`` itself for tensor inputs, a numpy array for anything else."""
    return result if is_tensor_like(*inputs) else result.detach().cpu().numpy()


def to_tensor(x: ArrayLike, like: Tensor, name: str = "x", *, cast: bool = False) -> Tensor:
    """``x`` as a tensor of the dtype and device of ``like``.

    Arrays, frames and integer tensors are converted. A tensor of another floating dtype or on
    another device is an error unless ``cast``, because a silent conversion would hide a mistake.

    Raises:
        DataError: ``x`` is not numeric.
        DtypeError: a tensor of another floating dtype, or on another device.
    """
    if not isinstance(x, Tensor):
        return torch.from_numpy(_to_numpy(x, name)).to(like)
    if x.is_complex():
        raise DtypeError(f"{name} is {x.dtype}, but densities here are over real numbers")
    if cast or not x.is_floating_point():
        return x.detach().to(like) if cast else x.to(like)
    if x.dtype != like.dtype:
        raise DtypeError(
            f"{name} is {x.dtype} but the model is {like.dtype}; "
            f"pass {name}.to({like.dtype}), or convert the model with .to({x.dtype})"
        )
    if x.device != like.device:
        raise DtypeError(
            f"{name} is on {x.device} but the model is on {like.device}; "
            f"pass {name}.to({str(like.device)!r}), or move the model with .to({str(x.device)!r})"
        )
    return x
