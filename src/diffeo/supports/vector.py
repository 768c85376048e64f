"""Sets of points of several columns that hang together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.errors import ShapeError
from diffeo.supports.support import Support

__all__ = ["CorrCholesky", "Ordered", "PositiveOrdered", "Simplex", "check_size", "tolerance"]

# what sums and lengths may miss of 1, in roundings of the dtype
ROUNDINGS = 1000


def tolerance(x: Tensor) -> float:
    """What sums and lengths of ``x`` may miss of 1."""
    return ROUNDINGS * torch.finfo(x.dtype).eps


class Ordered(Support):
    """Vectors of finite numbers that increase; equal neighbours belong to it, as values round.

    The reference measure is Lebesgue's on the vectors.

    Args:
        columns: length of the vectors, at least 1.

    Raises:
        ShapeError: a smaller length.
    """

    wanted = "increasing numbers"

    def __init__(self, columns: int) -> None:
        check_size(type(self).__name__, columns, 1)
        self.columns = self.free = columns

    def contains(self, x: Tensor) -> Tensor:
        rises = x[..., 1:] >= x[..., :-1]
        return F.pad(rises, (1, 0), value=True) & x.isfinite()

    def interior(self, like: Tensor) -> Tensor:
        return torch.arange(1, self.columns + 1, dtype=like.dtype, device=like.device)

    def on_bound(self, x: Tensor) -> Tensor:
        return F.pad(x[..., 1:] == x[..., :-1], (1, 0), value=False)

    def nearest(self, x: Tensor) -> Tensor:
        return x.sort(dim=-1).values

    def __repr__(self) -> str:
        return f"ordered({self.columns})"


class PositiveOrdered(Ordered):
    """Vectors of finite numbers above 0 that increase.

    The reference measure is Lebesgue's on the vectors.

    Args:
        columns: length of the vectors, at least 1.

    Raises:
        ShapeError: a smaller length.
    """

    wanted = "increasing numbers above 0"

    def contains(self, x: Tensor) -> Tensor:
        return super().contains(x) & (x > 0)

    def nearest(self, x: Tensor) -> Tensor:
        # what noise made negative is reflected: the bound lies at infinity
        return super().nearest(x.abs())

    def __repr__(self) -> str:
        return f"positive_ordered({self.columns})"


class Simplex(Support):
    """Vectors of K numbers >= 0 that sum to 1, to within 1000 roundings (1.2e-4 in float32).

    The reference measure is Lebesgue's on the first K - 1 coordinates.

    Args:
        columns: the number K of coordinates, at least 2.

    Raises:
        ShapeError: fewer coordinates.
    """

    wanted = "numbers above 0 that sum to 1"

    def __init__(self, columns: int) -> None:
        check_size(type(self).__name__, columns, 2)
        self.columns = columns
        self.free = columns - 1

    def contains(self, x: Tensor) -> Tensor:
        whole = (x.sum(-1, keepdim=True) - 1).abs() <= tolerance(x)
        return whole & (x >= 0)

    def interior(self, like: Tensor) -> Tensor:
        return like.new_full((self.columns,), 1 / self.columns)

    def on_bound(self, x: Tensor) -> Tensor:
        return x == 0

    def chart(self, x: Tensor, near: Tensor) -> Tensor:
        return x[..., :-1]

    def embed(self, coordinates: Tensor, near: Tensor) -> Tensor:
        return torch.cat([coordinates, 1 - coordinates.sum(-1, keepdim=True)], dim=-1)

    def nearest(self, x: Tensor) -> Tensor:
        # reflected, as above
        return x.abs() / x.abs().sum(-1, keepdim=True)

    def __repr__(self) -> str:
        return f"simplex({self.columns})"


class CorrCholesky(Support):
    """Cholesky factors of correlation matrices of a size k, in k * k columns, row by row.

    Lower triangular, no diagonal entry below 0, and rows of length 1; all of it to within 1000
    roundings (1.2e-4 in float32). The reference measure is Lebesgue's on the strictly lower
    triangle, row by row.

    Args:
        size: the size k of the matrices, at least 2.

    Raises:
        ShapeError: a smaller size.
    """

    wanted = "a lower triangular matrix, row by row, with rows of length 1 and a positive diagonal"

    def __init__(self, size: int) -> None:
        check_size(type(self).__name__, size, 2)
        self.size = size
        self.columns = size * size
        self.free = size * (size - 1) // 2
        above = [i * size + j for i in range(size) for j in range(i + 1, size)]
        self.fixed = (0, *above)

    def _lower(self, like: Tensor) -> Tensor:
        """Columns of the strictly lower triangle."""
        rows, columns = torch.tril_indices(self.size, self.size, -1, device=like.device)
        return rows * self.size + columns

    def contains(self, x: Tensor) -> Tensor:
        matrix = x.unflatten(-1, (self.size, self.size))
        unit = (matrix.square().sum(-1, keepdim=True) - 1).abs() <= tolerance(x)
        triangular = matrix.triu(1).abs() <= tolerance(x)
        # the lower triangle may be negative, the diagonal may not
        right_sign = matrix - matrix.tril(-1) >= -tolerance(x)
        return (unit & triangular & right_sign).flatten(-2)

    def interior(self, like: Tensor) -> Tensor:
        return torch.eye(self.size, dtype=like.dtype, device=like.device).flatten()

    def on_bound(self, x: Tensor) -> Tensor:
        diagonal = torch.eye(self.size, dtype=torch.bool, device=x.device).flatten()
        return (x == 0) & diagonal

    def chart(self, x: Tensor, near: Tensor) -> Tensor:
        return x.index_select(-1, self._lower(x))

    def embed(self, coordinates: Tensor, near: Tensor) -> Tensor:
        flat = coordinates.new_zeros(*coordinates.shape[:-1], self.columns)
        flat = flat.index_copy(-1, self._lower(coordinates), coordinates)
        lower = flat.unflatten(-1, (self.size, self.size))
        diagonal = (1 - lower.square().sum(-1)).sqrt()
        return (lower + torch.diag_embed(diagonal)).flatten(-2)

    def nearest(self, x: Tensor) -> Tensor:
        matrix = x.unflatten(-1, (self.size, self.size)).tril()
        lower = matrix.tril(-1)
        matrix = lower + (matrix - lower).abs()
        return (matrix / matrix.norm(dim=-1, keepdim=True)).flatten(-2)

    def __repr__(self) -> str:
        return f"corr_cholesky({self.size})"


def check_size(name: str, size: int, least: int) -> None:
    """Raise unless ``size`` is a whole number of at least ``least``."""
    if isinstance(size, bool) or not isinstance(size, int) or size < least:
        raise ShapeError(f"{name}: its size must be a whole number >= {least}, got {size!r}")
