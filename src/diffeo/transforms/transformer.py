"""Autoregressive transforms of sequences of tokens, conditioned by a causal transformer."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch, check_context, check_count
from diffeo.nets.attention import KeyValueCache
from diffeo.nets.layers import compress
from diffeo.nets.transformer import CausalTransformer
from diffeo.supports import Circle
from diffeo.transform import Transform
from diffeo.transforms.autoregressive import _only_values
from diffeo.transforms.token_sampling import Move, by_windows, one_by_one
from diffeo.univariates import Affine
from diffeo.univariates.univariate import Univariate

__all__ = ["TransformerAutoregressive"]

# on a CPU a window over all tokens pays only where a single token leaves the arithmetic waiting for
# the weights (measured: one row; benchmarks/tarflow_sampling.py); elsewhere kernels are launched
# once an iteration instead of once a token
MOST_ROWS = 1


class TransformerAutoregressive(Transform):
    """y_t = g(x_t; p_t(y_{<t}, context)) for tokens y_0, ..., y_{T-1}, p by a causal transformer.

    ``inverse`` (the density of data) is one parallel pass. ``forward`` (a sample) finds the tokens
    one after another, with the keys and values of those before kept, for about the arithmetic of
    one pass; or, where no gradients are wanted, several at a time in a window, by Jacobi
    iteration, to the same values up to rounding. The parameters of the first token come from the
    context and a learned start. Second derivatives need the attention that has them: work inside
    ``torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)``.

    Args:
        tokens: number of tokens T.
        width: scalars a token P.
        univariate: the scalar map g.
        dim: width of the transformer.
        layers: number of its attention blocks.
        heads: number of attention heads, a divisor of ``dim``.
        reverse: the last token is the first in order.
        context: width of the context, which is added to every token; 0 for none.
        window: number of tokens that are tried at a time in ``forward``; 1 for one after another.
            None chooses: on a CPU all of them for one row, one after another for more; all of
            them on other devices, whose time goes into launching.

    Shapes: x (*batch, T, P), context (*batch, context).

    Raises:
        ValueError: sizes below 1.
        ShapeError: ``heads`` does not divide ``dim``, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Normalizing Flows are Capable Generative Models", Zhai, Zhang, Nakkiran, Berthelot,
    Gu, Zheng, Chen, Bautista, Jaitly, Susskind, 2024, arXiv:2412.06329; "Accelerating TarFlow
    Sampling with GS-Jacobi Iteration", Liu, Qin, 2025, arXiv:2505.12849.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.TransformerAutoregressive(4, 3, dim=8, layers=1, heads=2)
        >>> y, ladj = layer(torch.zeros(5, 4, 3))
    """

    def __init__(
        self,
        tokens: int,
        width: int,
        univariate: Univariate | None = None,
        *,
        dim: int = 256,
        layers: int = 4,
        heads: int = 4,
        reverse: bool = False,
        context: int = 0,
        window: int | None = None,
    ) -> None:
        for name, size in (("tokens", tokens), ("width", width)):
            check_count(f"TransformerAutoregressive: {name}", size)
        super().__init__((tokens, width))
        self.univariate = Affine() if univariate is None else univariate
        self.reverse = reverse
        self.context = context
        self.window = None if window is None else check_count("window", window)
        self.compiles = self.univariate.compiles
        self.angular = isinstance(self.univariate.domain, Circle)
        self.network = CausalTransformer(
            tokens,
            (1 + self.angular) * width,
            self.univariate.num_params * width,
            dim=dim,
            layers=layers,
            heads=heads,
            context=context,
        )
        self.domain = self.univariate.domain
        self.codomain = self.univariate.codomain

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        rows, seen, batch = self._rows(x, context)
        return self._sampled(partial(self._move, seen), rows, batch, _only_values(self, x, seen))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        rows, seen, batch = self._rows(y, context)
        before = F.pad(rows, (0, 0, 1, -1))
        x, dlog = self.univariate.inverse(_width_first(rows), self._params(before, seen, None))
        return self._whole(x.movedim(0, -1), batch), dlog.sum((0, -1)).reshape(batch)

    def guided(
        self,
        x: Tensor,
        context: Tensor,
        without: Tensor,
        guidance: float,
        *,
        rising: bool = True,
    ) -> Tensor:
        """``forward`` with parameters that are moved away from those at another context.

            p_t = p_t(context) + w_t (p_t(context) - p_t(without)),   w_t = guidance * t / (T - 1),

        or with ``rising=False`` the same w_t = ``guidance`` for all tokens. (The bounds of
        log-scales hold after this.) It is no longer the map whose ``inverse`` this layer knows.

        Args:
            x: (*batch, T, P).
            context: (*batch, context).
            without: the context that stands for none, broadcast against ``context``.
            guidance: w; 0 is ``forward``.
            rising: from 0 at the first token to w at the last.

        Returns:
            y (*batch, T, P).

        Raises:
            As ``forward``.

        Reference: "Normalizing Flows are Capable Generative Models", Zhai et al., 2024,
        arXiv:2412.06329 (guidance); "Classifier-Free Diffusion Guidance", Ho, Salimans, 2022,
        arXiv:2207.12598.
        """
        check_context(self, without, self.context)
        rows, given, batch = self._rows(x, context)
        _, hidden, _ = self._rows(x, without.expand_as(context))
        assert given is not None
        assert hidden is not None
        seen = torch.cat([each.expand(len(rows), -1) for each in (given, hidden)])
        tokens = self.in_shape[0]
        weights = torch.full((tokens,), guidance, dtype=x.dtype, device=x.device)
        if rising and tokens > 1:
            weights = torch.linspace(0, guidance, tokens, dtype=x.dtype, device=x.device)
        move = partial(self._guided_move, seen, weights)
        return self._sampled(move, rows, batch, _only_values(self, x, seen))[0]

    def _sampled(
        self, move: Move, rows: Tensor, batch: tuple[int, ...], only_values: bool
    ) -> tuple[Tensor, Tensor]:
        window = self._tried(rows) if only_values else 1
        if window > 1:
            y, ladj = by_windows(move, rows, window)
        else:
            y, ladj = one_by_one(move, rows, reuse=only_values)
        return self._whole(y, batch), ladj.reshape(batch)

    def _tried(self, rows: Tensor) -> int:
        """The number of tokens in a window."""
        if self.window is not None:
            return self.window
        one_by_one_is_faster = rows.device.type == "cpu" and len(rows) > MOST_ROWS
        return 1 if one_by_one_is_faster else self.in_shape[0]

    def _move(
        self, seen: Tensor | None, before: Tensor, noise: Tensor, cache: KeyValueCache
    ) -> tuple[Tensor, Tensor]:
        return self._forward(noise, self._params(before, seen, cache))

    def _guided_move(
        self, seen: Tensor, weights: Tensor, before: Tensor, noise: Tensor, cache: KeyValueCache
    ) -> tuple[Tensor, Tensor]:
        both = self._params(torch.cat([before, before]), seen, cache)
        given, hidden = both.chunk(2, dim=2)
        here = weights[cache.length : cache.length + noise.shape[1]]
        return self._forward(noise, given + here * (given - hidden))

    def _forward(self, noise: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y, dlog = self.univariate.forward(_width_first(noise), params)
        return y.movedim(0, -1), dlog.movedim(0, -1)

    def _params(self, before: Tensor, seen: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        """(num_params, P, rows, n) from the tokens (rows, n, P) before n positions."""
        if self.angular:
            before = torch.cat([before.cos(), before.sin()], dim=-1)
        out = self.network(compress(before), seen, cache).movedim(-1, 0)
        # under autocast the network may work in half precision; the univariate must not
        return out.unflatten(0, (self.univariate.num_params, self.in_shape[1])).to(before.dtype)

    def _rows(
        self, x: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor | None, tuple[int, ...]]:
        """Events in autoregressive order, and context, with one batch axis; and the batch."""
        x = check_batch(self, x, context, self.in_shape, self.context)
        batch = tuple(x.shape[:-2])
        rows = x.reshape(-1, *self.in_shape)
        if context is None or not self.context:
            context = None
        elif context.ndim == 1:
            context = context[None]
        else:
            context = context.expand(*batch, -1).reshape(-1, self.context)
        return rows.flip(1) if self.reverse else rows, context, batch

    def _whole(self, rows: Tensor, batch: tuple[int, ...]) -> Tensor:
        """Events in their own order, with the batch that they had."""
        return (rows.flip(1) if self.reverse else rows).reshape(*batch, *self.in_shape)


def _width_first(x: Tensor) -> Tensor:
    """(rows, n, P) to (P, rows, n)."""
    return x.movedim(-1, 0)
