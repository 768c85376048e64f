"""Columns of codes: categories, booleans and numbers of few values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.tabular.any_order.columns import LevelColumn
from diffeo.tabular.any_order.draws import choose
from diffeo.tabular.any_order.group import ColumnGroup

__all__ = ["Levels"]


class Levels(ColumnGroup):
    """Columns of equally many codes, each with probabilities softmax(logits).

    The code beyond the last stands for whatever was never seen. Its probability is the share of
    codes seen only once (Good and Turing's estimate), and of half a row; 0 in closed columns.

    Args:
        positions: of the columns among all columns.
        columns: the columns; all have the same ``count``.

    Reference: "The Population Frequencies of Species and the Estimation of Population Parameters",
    Good, 1953, Biometrika 40.
    """

    log_frequency: Tensor
    unseen: Tensor
    open: Tensor

    def __init__(self, positions: Sequence[int], columns: Sequence[LevelColumn]) -> None:
        super().__init__(positions)
        self.count = columns[0].count
        self.num_params = self.num_straight = self.count
        # the first of the codes follows from the others
        self.num_features = self.count - 1
        closed = torch.tensor([[not column.closed] for column in columns])
        self.register_buffer("open", closed, persistent=False)
        self.register_buffer("log_frequency", torch.zeros(self.count, len(columns), 1))
        self.register_buffer("unseen", torch.full((len(columns), 1), 1e-3))

    def initialize(self, x: Tensor) -> None:
        counts = (x == self._codes(x)).sum(-1, keepdim=True)
        rows = (~x.isnan()).sum(-1, keepdim=True)
        share = (counts + 0.5) / (rows + 0.5 * self.count)
        self.log_frequency.copy_(share.log())
        once = (counts == 1).sum(0)
        self.unseen.copy_(((once + 0.5) / (rows + 1)).clamp(max=0.5))

    def _codes(self, like: Tensor) -> Tensor:
        return torch.arange(self.count, device=like.device).to(like.dtype)[:, None, None]

    def features(self, x: Tensor) -> Tensor:
        return (x == self._codes(x)[1:]).to(x.dtype)

    def _log_probs(self, params: Tensor) -> Tensor:
        """(count, columns, rows) of the known codes, were there no others."""
        return torch.log_softmax(params + self.log_frequency, 0)

    def log_prob(self, x: Tensor, params: Tensor) -> Tensor:
        code = x.clamp(0, self.count - 1).long()
        known = self._log_probs(params).gather(0, code[None])[0]
        unseen = torch.where(self.open, self.unseen, 0.0)
        return torch.where(x == self.count, unseen.log(), known + torch.log1p(-unseen))

    def sample(self, params: Tensor, generator: torch.Generator | None) -> Tensor:
        # the unseen has no value that could be drawn
        return choose(self._log_probs(params), generator).to(params.dtype)

    def below_and_at(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        each = self._log_probs(params).exp()
        codes = self._codes(x)
        zero = torch.zeros_like(each)
        below = torch.where(codes < x, each, zero).sum(0)
        return below, torch.where(codes == x, each, zero).sum(0)

    def known(self, x: Tensor) -> Tensor:
        # weights of the unseen would never have been trained
        return x < self.count

    def contains(self, x: Tensor) -> Tensor:
        top = torch.where(self.open, self.count, self.count - 1)
        return (x >= 0) & (x <= top) & (x == x.floor())
