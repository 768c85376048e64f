"""A causal network over symbols that may be visited in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context, check_count
from diffeo.nets.attention import AttentionBlock, KeyValueCache
from diffeo.nets.layers import OutputLinear

__all__ = ["AnyOrderTransformer", "StepCache", "Steps"]


class Steps(NamedTuple):
    """What n steps are told, as whole numbers.

    Attributes:
        previous: (rows, n), the symbol visited before.
        source: (rows, n), where it stands; the length before the first step.
        target: (rows, n), the position to be predicted.
        near: (rows, n, offsets), the symbols near that position.
    """

    previous: Tensor
    source: Tensor
    target: Tensor
    near: Tensor


class StepCache(KeyValueCache):
    """What the layers know of the steps so far, among them those that recur.

    Attributes:
        state: of the recurrent layers; None before the first step.
    """

    state: tuple[Tensor, Tensor] | None = None


class AnyOrderTransformer(nn.Module):
    """Scores of the K symbols at each position, given those visited before it, in any order.

    Step i predicts the symbol at the i-th position of the order. It is told the symbol visited
    last and its position, the position to be predicted (double positional encoding), which symbols
    stand near that position if they are visited, and the context. What all steps before were told
    comes by recurrent layers, an LSTM, and by attention. The output layer starts at zero.

    Args:
        length: number of positions T.
        symbols: number of symbols K; the number K itself stands for an unknown one.
        dim: width inside.
        layers: number of attention blocks.
        recurrent: number of layers of the LSTM before them; it learns faster in short fits.
        heads: number of attention heads, a divisor of ``dim``.
        near: offsets from a position to those near it.
        periods: positions are also encoded by their remainders after division by these.
        context: width of the context; 0 for none.
        dropout: share of the inputs, and of what blocks add, that is left out in training.

    Shapes: symbols (rows, T), order (rows, T), context (rows, context) -> (rows, T, K).

    Raises:
        ShapeError: ``heads`` does not divide ``dim``.
        ValueError: sizes below 1 (0 for one of the kinds of layers), or a dropout that is no share.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "sigma-GPTs: A New Approach to Autoregressive Models", Pannatier, Courdier, Fleuret,
    2024, arXiv:2404.09562.

    Example:
        >>> import torch
        >>> from diffeo.nets import AnyOrderTransformer
        >>> net = AnyOrderTransformer(4, 3, dim=8, layers=1, heads=2)
        >>> backwards = torch.arange(3, -1, -1).expand(5, 4)
        >>> net(torch.zeros(5, 4, dtype=torch.long), backwards).shape
        torch.Size([5, 4, 3])
    """

    offsets: Tensor

    def __init__(
        self,
        length: int,
        symbols: int,
        *,
        dim: int = 128,
        layers: int = 4,
        recurrent: int = 0,
        heads: int = 4,
        near: Sequence[int] = (),
        periods: Sequence[int] = (),
        context: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        depth = layers + recurrent if min(layers, recurrent) >= 0 else 0
        sizes = {"length": length, "symbols": symbols, "dim": dim, "layers": depth, "heads": heads}
        for name, size in sizes.items():
            check_count(name, size)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout!r}")
        self.length, self.symbols, self.context = length, symbols, context
        self.dropout = dropout
        # numbers a row in its widest layer, from which its memory is estimated
        self.row_width = length * max(4 * dim, symbols)
        self.periods = tuple(check_count("a period", period) for period in periods)
        self.register_buffer("offsets", torch.tensor(tuple(near)).long(), persistent=False)
        self.previous = _table(symbols + 1, dim, 0.5)
        self.near = _table(len(near) * (symbols + 1), dim, 0.3) if near else None
        # one row more says that nothing was visited
        cycles = [length, *self.periods]
        self.sources = nn.ParameterList(_table(cycle + 1, dim, 0.1) for cycle in cycles)
        self.targets = nn.ParameterList(_table(cycle, dim, 0.1) for cycle in cycles)
        self.given = nn.Linear(context, dim) if context else None
        self.recurrent = nn.LSTM(dim, dim, recurrent, batch_first=True) if recurrent else None
        self.blocks = nn.ModuleList(
            AttentionBlock(dim, heads, length, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.output = OutputLinear(dim, symbols)

    def forward(self, symbols: Tensor, order: Tensor, context: Tensor | None = None) -> Tensor:
        """Scores (rows, T, K) in the order of the steps.

        Args:
            symbols: (rows, T), K where there is none.
            order: (rows, T), a permutation of the positions.
            context: (rows, context).
        """
        steps = self.steps(symbols, order, order.argsort(1), slice(0, self.length))
        return self.scores(steps, context)

    def steps(self, symbols: Tensor, order: Tensor, rank: Tensor, at: slice) -> Steps:
        """What the steps ``at`` are told.

        Args:
            symbols: (rows, T), K where there is none.
            order: (rows, T), the position that each step visits.
            rank: (rows, T), the step at which each position is visited.
            at: some steps, one after another.
        """
        target = order[:, at]
        source = F.pad(order, (1, 0), value=self.length)[:, at]
        previous = F.pad(symbols, (0, 1), value=self.symbols).gather(1, source)
        place = target[..., None] + self.offsets
        inside = (place >= 0) & (place < self.length)
        place = place.clamp(0, self.length - 1).flatten(1)
        now = torch.arange(self.length, device=order.device)[at, None]
        visited = rank.gather(1, place).view_as(inside) < now
        found = symbols.gather(1, place).view_as(inside)
        near = torch.where(inside & visited, found, self.symbols)
        return Steps(previous, source, target, near)

    def scores(
        self, steps: Steps, context: Tensor | None = None, cache: StepCache | None = None
    ) -> Tensor:
        """Scores (rows, n, K) of all steps, or of n steps that follow those in ``cache``.

        Args:
            steps: what they are told.
            context: (rows, context).
            cache: of the steps before; whoever calls moves its ``length`` on.
        """
        check_context(self, context, self.context)
        h = F.embedding(steps.previous, self.previous)
        h = h + self._position(steps.source, self.sources, steps.source == self.length)
        h = h + self._position(steps.target, self.targets, None)
        if self.near is not None:
            first = torch.arange(len(self.offsets), device=h.device) * (self.symbols + 1)
            bags = (steps.near + first).flatten(0, 1)
            h = h + F.embedding_bag(bags, self.near, mode="sum").view_as(h)
        if self.given is not None and context is not None:
            h = h + self.given(context)[:, None]
        h = F.dropout(h, self.dropout, self.training)
        if self.recurrent is not None:
            # in full precision: not every processor has these layers in half
            with torch.autocast(h.device.type, enabled=False):
                whole = h.to(next(self.recurrent.parameters()).dtype)
                told, state = self.recurrent(whole, None if cache is None else cache.state)
            h = h + F.dropout(told, self.dropout, self.training)
            if cache is not None:
                cache.state = state
        mask = None if cache is None else cache.mask(h.shape[1], h.device)
        for number, block in enumerate(self.blocks):
            h = block(h, cache, number, mask)
        out: Tensor = self.output(self.norm(h).flatten(0, 1))
        return out.unflatten(0, h.shape[:2])

    def _position(self, place: Tensor, tables: nn.ParameterList, none: Tensor | None) -> Tensor:
        """The sum of the encodings of places (rows, n)."""
        total = F.embedding(place, tables[0])
        for period, table in zip(self.periods, list(tables)[1:], strict=True):
            phase = place % period
            phase = phase if none is None else torch.where(none, period, phase)
            total = total + F.embedding(phase, table)
        return total


def _table(rows: int, dim: int, scale: float) -> nn.Parameter:
    # symbols larger than positions and than what blocks add at first: they are what is learned from
    return nn.Parameter(scale * torch.randn(rows, dim))
