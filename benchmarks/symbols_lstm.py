"""What flows of symbols are measured against: an LSTM, trained by as many steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.draw import Draw
from diffeo.model import Model
from diffeo.sequences.symbols.defaults import warm_cosine
from diffeo.supports import Features, categories

__all__ = ["LSTM", "parameters", "trained", "widest"]


class LSTM(Model):
    """Next symbols by an LSTM, which is told the remainders of the position as well.

    Args:
        length: positions of a training window; it reads on beyond.
        symbols: number of symbols.
        hidden: width.
        periods: of the remainders.
        dropout: share of the inputs and outputs of the LSTM that is left out in training.
    """

    has_rsample = False
    typed_columns = True

    def __init__(
        self,
        length: int,
        symbols: int,
        hidden: int,
        periods: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__((length,))
        self.support = Features([categories(symbols)] * length)
        self.symbols, self.periods = symbols, tuple(periods)
        width = max(32, hidden // 4)
        self.symbol = nn.Embedding(symbols + 1, width)
        self.place = nn.ModuleList(nn.Embedding(period, width) for period in periods)
        self.recurrent = nn.LSTM(width, hidden, batch_first=True)
        self.thinned = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, symbols)

    def initialize(self, x: Tensor, context: Tensor | None = None, **_: Any) -> None:
        """Nothing depends on data."""

    def each(self, x: Tensor) -> Tensor:
        """log p of each symbol (rows, n) given those before it, of any number n; 0 for NaN."""
        codes = torch.where(x.isnan(), 0.0, x).long()
        before = nn.functional.pad(codes, (1, -1), value=self.symbols)
        h = self.symbol(before)
        positions = torch.arange(x.shape[1])
        for period, table in zip(self.periods, self.place, strict=True):
            h = h + table(positions % period)
        h, _ = self.recurrent(self.thinned(h))
        scores = self.output(self.thinned(h)).log_softmax(-1)
        found: Tensor = scores.gather(-1, codes[..., None])[..., 0]
        return torch.where(x.isnan(), 0.0, found)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self.each(x).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        raise NotImplementedError


def parameters(model: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in model.parameters())


def widest(build: Callable[[int], nn.Module], most: int) -> nn.Module:
    """The model of the largest width, a multiple of 8, with at most so many parameters."""
    width = 8
    while parameters(build(width + 8)) <= most:
        width += 8
    return build(width)


def trained(
    model: Any,
    windows: Callable[[int], Tensor],
    steps: int,
    *,
    batch_size: int,
    lr: float,
    seed: int,
) -> dict[str, Any]:
    """Train a model for so many steps, on new windows at each.

    Args:
        model: what to train, in place.
        windows: gives that many rows (n, length), the same at each call.
        steps, batch_size, lr, seed: of the fit.

    Returns:
        What the fit took.
    """
    start = time.process_time()
    model.fit(
        windows(steps * batch_size),
        validation=None,
        epochs=1,
        batch_size=batch_size,
        lr=lr,
        schedule=warm_cosine,
        clip=float(model.event_shape[0]),
        seed=seed,
        progress=False,
    )
    return {
        "steps": steps,
        "seconds": time.process_time() - start,
        "parameters": parameters(model),
    }
