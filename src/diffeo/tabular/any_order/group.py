"""The contract of a group of columns of one kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ColumnGroup"]


class ColumnGroup(nn.Module, ABC):
    """Columns whose conditional distributions have one form.

    All work is element-wise over (columns, rows), with parameters and features leading, so that
    reductions over them run along memory.

    Args:
        positions: of the columns among all columns.

    Attributes:
        positions: as given.
        num_features: what the network sees of one value.
        num_params: parameters of one conditional distribution.
        num_straight: how many of them, the first ones, a linear regression may also move.
    """

    num_features: int
    num_params: int
    num_straight: int = 0
    index: Tensor

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__()
        self.positions = tuple(positions)
        self.register_buffer("index", torch.tensor(self.positions), persistent=False)

    def initialize(self, x: Tensor) -> None:
        """Set what depends on the data, from x (columns, rows) with NaN for holes."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """What the network sees: (columns, rows) -> (num_features, columns, rows), bounded."""

    @abstractmethod
    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        """(columns, rows) and (num_params, columns, rows) -> (columns, rows); x holds no NaN."""

    @abstractmethod
    def sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        """(num_params, columns, rows) -> (columns, rows)."""

    def harmless(self, x: Tensor) -> Tensor:
        """Possible values in the shape of x (columns, rows), to stand in its holes."""
        return torch.zeros_like(x)

    def known(self, x: Tensor) -> Tensor:
        """Whether other columns can be told by each of (columns, rows), as training had it."""
        return torch.ones_like(x, dtype=torch.bool)

    @abstractmethod
    def below_and_at(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of less than x, and of x itself, each (columns, rows)."""

    @abstractmethod
    def contains(self, x: Tensor) -> Tensor:
        """Whether each of (columns, rows) is a value that the column can have."""
