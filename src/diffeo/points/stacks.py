"""Clouds of any number of points, worked on in stacks of equal ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, Floats, like_input, to_tensor
from diffeo.errors import DataError, ShapeError

__all__ = ["AT_ONCE", "Clouds", "arrays_of", "as_given", "for_each_size", "tensors_of"]

# an array of clouds (n, points, dim), or a list of clouds (points, dim)
Clouds = ArrayLike
# points that are worked on together, at most
AT_ONCE = 2**17


def tensors_of(clouds: Clouds, dim: int, like: Tensor) -> list[Tensor]:
    """Clouds, each (points, dim), as tensors of the dtype and device of ``like``.

    Raises:
        ShapeError: clouds of other dimension.
        DataError: a cloud without points, or one that holds what is no finite number.
    """
    each = [to_tensor(cloud, like, f"cloud {i}", cast=True) for i, cloud in enumerate(clouds)]
    for i, cloud in enumerate(each):
        _check(cloud, dim, i)
    return each


def arrays_of(clouds: Clouds) -> list[Floats]:
    """Clouds, each (points, dim) with the dimension of the first, as arrays of float64.

    Raises:
        As ``tensors_of``.
    """
    like = torch.zeros((), dtype=torch.float64)
    first = to_tensor(clouds[0], like, "cloud 0", cast=True) if len(clouds) else like
    dim = first.shape[-1] if first.ndim == 2 else 3
    return [cloud.numpy() for cloud in tensors_of(clouds, dim, like)]


def _check(cloud: Tensor, dim: int, i: int) -> None:
    if cloud.ndim != 2 or cloud.shape[1] != dim:
        raise ShapeError(
            f"expected clouds of shape (points, {dim}), one after another in a list or in an "
            f"array (n, points, {dim}), but cloud {i} has the shape {tuple(cloud.shape)}"
        )
    if not len(cloud):
        raise DataError(f"cloud {i} has no points")
    bad = ~cloud.isfinite().all(1)
    if bool(bad.any()):
        at = int(bad.to(torch.uint8).argmax())
        raise DataError(f"cloud {i}, point {at} is {cloud[at].tolist()}, which is not finite")


def for_each_size(
    function: Callable[[Tensor, Tensor], Tensor], clouds: Sequence[Tensor]
) -> list[Tensor]:
    """What ``function`` gives for each cloud, called on stacks of clouds of equal size.

    Args:
        function: from a stack (k, points, dim), and the places (k,) of its clouds, to a result
            whose first axis is that of the clouds.
        clouds: each (points, dim).
    """
    found: list[Tensor] = [cloud.new_empty(0) for cloud in clouds]
    for places in _stacks([len(cloud) for cloud in clouds]):
        at = torch.tensor(places)
        results = function(torch.stack([clouds[i] for i in places]), at)
        for i, result in zip(places, results, strict=True):
            found[i] = result
    return found


def _stacks(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Places of clouds of one size, few enough to be worked on together."""
    for size in sorted(set(sizes)):
        places = [i for i, other in enumerate(sizes) if other == size]
        most = max(1, AT_ONCE // size)
        for start in range(0, len(places), most):
            yield places[start : start + most]


def as_given(found: list[Tensor], clouds: Clouds) -> list[Any]:
    """Results, as tensors where the clouds were tensors and as arrays for anything else."""
    given = clouds if isinstance(clouds, list | tuple) else [clouds]
    return [like_input(result, *given) for result in found]
