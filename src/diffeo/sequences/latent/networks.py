"""Recurrent networks of packed sequences."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffeo.sequences.latent.packing import Packing
from diffeo.transforms.linear import full_precision

__all__ = ["Recurrent", "SequenceNetwork", "State"]

# output and cell of every layer
State = list[tuple[Tensor, Tensor]]


class Recurrent(nn.Module):
    """LSTM layers of packed rows, with dropout after each.

    Args:
        in_features: width of a row.
        hidden: width of the state.
        layers: how many.
        dropout: share of the outputs of a layer that training sets to 0.
    """

    def __init__(
        self, in_features: int, hidden: int, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [in_features, *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(width, hidden) for width in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, packing: Packing) -> Tensor:
        """States (rows, hidden) after rows (rows, in_features)."""
        for layer in self.layers:
            rows = self.dropout(_run(layer, rows, packing))
        return rows

    def step(self, rows: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The states (sequences, hidden) after one more step, and what the next one goes on from.

        Of sequences that have ended, which are the last, the state is dropped.
        """
        after: State = []
        for i, layer in enumerate(self.layers):
            before = None
            if state is not None:
                output, cell = state[i]
                before = output[None, : len(rows)], cell[None, : len(rows)]
            out, (output, cell) = _in_full_precision(layer, rows[None], before)
            after.append((output[0], cell[0]))
            rows = self.dropout(out[0])
        return rows, after


class SequenceNetwork(nn.Module):
    """Bidirectional LSTM layers, and a linear layer of the states of each step.

    Args:
        in_features, out_features: widths of the rows.
        hidden: width of the state of each direction.
        layers, dropout: as of ``Recurrent``.
    """

    def __init__(
        self, in_features: int, out_features: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        widths = [in_features, *[2 * hidden] * (layers - 1)]
        self.forwards = nn.ModuleList(nn.LSTM(width, hidden) for width in widths)
        self.backwards = nn.ModuleList(nn.LSTM(width, hidden) for width in widths)
        self.dropout = nn.Dropout(dropout)
        # what a step says of itself need not pass through a state
        self.output = nn.Sequential(
            nn.Linear(2 * hidden + in_features, 2 * hidden),
            nn.SiLU(),
            nn.Linear(2 * hidden, out_features),
        )

    def forward(self, rows: Tensor, packing: Packing) -> Tensor:
        """(rows, out_features) of rows (rows, in_features)."""
        given = rows
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            reverse = packing.reverse(_run(back, packing.reverse(rows), packing))
            rows = self.dropout(torch.cat([_run(ahead, rows, packing), reverse], dim=-1))
        out: Tensor = self.output(torch.cat([rows, given], dim=-1))
        return out


def _run(layer: Any, rows: Tensor, packing: Packing) -> Tensor:
    """What an LSTM makes of the rows.

    It runs over padding as well: on torch's own packed sequences its gradient takes a time that
    grows with the square of the steps.
    """
    if not len(rows):
        return rows.new_zeros(0, layer.hidden_size)
    out, _ = _in_full_precision(layer, packing.unpack(rows))
    return packing.pack(out)


def _in_full_precision(layer: Any, steps: Tensor, before: Any = None) -> Any:
    """An LSTM outside of autocast, as not every processor has it in half precision."""
    with full_precision(steps):
        return layer(steps.to(layer.weight_ih_l0.dtype), before)
