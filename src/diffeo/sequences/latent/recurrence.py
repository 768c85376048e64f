"""A transform of sequences: each step by a map whose context is the state of an LSTM."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.sequences.latent.networks import Recurrent
from diffeo.sequences.latent.packing import Packing
from diffeo.transform import Transform

__all__ = ["RecurrentTransform"]


class RecurrentTransform(Transform):
    """Every step of a sequence by one transform, given what an LSTM makes of the steps before:

        y_t = g(x_t; h_t),   h_t = LSTM(y_1, ..., y_{t-1}),

    so that ``inverse`` takes one pass, all steps at once, and ``forward`` goes step by step. With
    ``inverse_autoregressive=True`` the LSTM reads x in place of y, and it is the other way round.

    Args:
        steps: length T of the sequences.
        step: the transform g of vectors (D,), whose context is the state.
        hidden: width of the state, that of the context of ``step``.
        layers: of the LSTM.
        dropout: share of the states' elements that training sets to 0.
        inverse_autoregressive: whether the LSTM reads the input of ``forward``.

    Shapes: x and y (*batch, T, D).

    Raises:
        ShapeError: sizes that do not fit, or events of another shape.

    Reference: "Latent Normalizing Flows for Discrete Sequences", Ziegler, Rush, 2019,
    arXiv:1901.10548.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.sequences.latent import RecurrentTransform
        >>> g = diffeo.transforms.Coupling(2, diffeo.univariates.Affine(), context=8)
        >>> layer = RecurrentTransform(5, g, hidden=8)
        >>> y, ladj = layer(torch.randn(3, 5, 2))
        >>> y.shape, ladj.shape
        (torch.Size([3, 5, 2]), torch.Size([3]))
    """

    # torch.compile does not trace recurrent layers
    compiles = False

    def __init__(
        self,
        steps: int,
        step: Transform,
        *,
        hidden: int,
        layers: int = 1,
        dropout: float = 0.0,
        inverse_autoregressive: bool = False,
    ) -> None:
        check_features("RecurrentTransform", steps)
        if len(step.in_shape) != 1 or step.out_shape != step.in_shape or step.context != hidden:
            raise ShapeError(
                f"RecurrentTransform: step must map vectors to vectors of the same width and read "
                f"a context of width {hidden}, that of the LSTM's state; this "
                f"{type(step).__name__} maps {step.in_shape} to {step.out_shape} and has "
                f"context={step.context}"
            )
        (features,) = step.in_shape
        super().__init__((steps, features))
        self.step = step
        self.recurrent = Recurrent(features, hidden, layers, dropout)
        self.inverse_autoregressive = inverse_autoregressive
        self.exactness = step.exactness

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._dense(x, inverted=False)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._dense(y, inverted=True)

    def of_rows(self, rows: Tensor, packing: Packing, *, inverted: bool) -> tuple[Tensor, Tensor]:
        """One direction of packed sequences of any lengths.

        Args:
            rows: (rows, D).
            packing: where they lie.
            inverted: the direction of ``inverse``, not of ``forward``.

        Returns:
            Rows (rows, D), and the ladj (rows,) of each.
        """
        # the LSTM reads what goes in, or what comes out
        known = inverted != self.inverse_autoregressive
        if known:
            states = self.recurrent(packing.previous(rows), packing)
            return self._map(rows, states, inverted)
        return self._step_by_step(rows, packing, inverted)

    def _step_by_step(
        self, rows: Tensor, packing: Packing, inverted: bool
    ) -> tuple[Tensor, Tensor]:
        state = None
        before = rows.new_zeros(packing.count, rows.shape[1])
        found, ladjs = [rows[:0]], [rows.new_zeros(0)]
        for given in rows.split(packing.sizes):
            # fewer and fewer sequences go on, the first of those before
            states, state = self.recurrent.step(before[: len(given)], state)
            before, ladj = self._map(given, states, inverted)
            found.append(before)
            ladjs.append(ladj)
        return torch.cat(found), torch.cat(ladjs)

    def _map(self, rows: Tensor, states: Tensor, inverted: bool) -> tuple[Tensor, Tensor]:
        return self.step.inverse(rows, states) if inverted else self.step(rows, states)

    def _dense(self, x: Tensor, *, inverted: bool) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, None, self.in_shape, 0)
        batch, steps = x.shape[:-2], self.in_shape[0]
        count = math.prod(batch)
        packing = Packing(torch.full((count,), steps, device=x.device))
        rows, ladj = self.of_rows(
            packing.of_events(x.reshape(count, *self.in_shape)), packing, inverted=inverted
        )
        return packing.events(rows, steps).reshape(x.shape), packing.total(ladj).reshape(batch)
