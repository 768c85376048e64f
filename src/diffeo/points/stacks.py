"""Clouds of any number of points, worked on in stacks of equal ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, is_tensor_like, to_tensor
from diffeo.errors import DataError, ShapeError

__all__ = ["Clouds", "as_given", "for_each_size", "tensors_of"]

# an array of clouds (n, points, dim), or a list of clouds (points, dim)
Clouds = ArrayLike
# numbers of points in a stack, at most
_POINTS = 2**17


def tensors_of(clouds: Clouds, dim: int, like: Tensor) -> list[Tensor]:
    """Clouds, each (points, dim), as tensors of the dtype and device of ``like``.

    Raises:
        ShapeError: clouds of other dimension.
        DataError: a cloud without points, or one that holds what is no finite number.
    """
    each = [to_tensor(cloud, like, f"cloud {i}", cast=True) for i, cloud in enumerate(clouds)]
    for i, cloud in enumerate(each):
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
    return each


def for_each_size(
    function: Callable[[Tensor, Tensor], Any], clouds: Sequence[Tensor], points: int = 0
) -> list[Any]:
    """What ``function`` gives for each cloud, called on stacks of clouds of equal size.

    Args:
        function: from a stack (k, points, dim), and the places (k,) of its clouds, to a result
            whose first axis is that of the clouds.
        clouds: each (points, dim).
        points: how many points a result has, if more than a cloud.
    """
    found: list[Any] = [None] * len(clouds)
    for places in _stacks([len(cloud) for cloud in clouds], points):
        at = torch.tensor(places)
        results = function(torch.stack([clouds[i] for i in places]), at)
        for i, result in zip(places, results, strict=True):
            found[i] = result
    return found


def _stacks(sizes: Sequence[int], points: int) -> Iterator[list[int]]:
    """Places of clouds of one size, few enough to be worked on together."""
    for size in sorted(set(sizes)):
        places = [i for i, other in enumerate(sizes) if other == size]
        most = max(1, _POINTS // max(size, points))
        for start in range(0, len(places), most):
            yield places[start : start + most]


def as_given(found: list[Tensor], clouds: Clouds, *, stacked: bool) -> Any:
    """Results of clouds, as tensors for tensors and arrays for arrays; one if ``stacked``."""
    tensors = is_tensor_like(*([clouds] if isinstance(clouds, Tensor) else clouds))
    each = found if tensors else [result.cpu().numpy() for result in found]
    if not stacked:
        return each
    return torch.stack(found) if tensors else torch.stack(found).cpu().numpy()
