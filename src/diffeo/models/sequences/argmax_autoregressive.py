"""The autoregressive argmax flow of sequences of symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, is_tensor_like, like_input, to_tensor
from diffeo.checks import check_count, check_event
from diffeo.density import SampleShape, Seed
from diffeo.draw import Draw
from diffeo.errors import DataError, ShapeError
from diffeo.model import Model
from diffeo.models.sequences.alphabet import OfSymbols, named
from diffeo.models.sequences.drawing import filled_rows
from diffeo.models.sequences.gumbel import gumbel, won_by
from diffeo.models.sequences.orders import drawn_given, visiting_order
from diffeo.nets.any_order import AnyOrderTransformer
from diffeo.supports import Features, categories
from diffeo.training import Objective

__all__ = ["ArgmaxAutoregressive"]


class ArgmaxAutoregressive(OfSymbols, Model):
    """Autoregressive argmax flow of sequences of T symbols, each one of K:

        v_t = shift_t(x_<t) + g_t,    x_t = argmax_k v_tk,    g_tk independent Gumbel variables,

    shift by a causal network. Of Gumbel noise the integral over all v with that argmax is
    known, so ``log_prob`` is exact, not a bound:

        log p(x) = sum_t log softmax(shift_t(x_<t))_(x_t).

    Positions may be visited in any order: the network is told which one is next. With
    ``any_order`` > 0, training lets that share of the rows have some symbols given first (all but
    a span, some at random, or some of ``groups`` interleaved voices), so that spans and voices can
    be filled in: ``sample(given=...)`` visits what is given first, then the rest from left to
    right, and its draws are exact for that order. ``log_prob`` uses the natural order.

    A symbol that is NaN is unknown, also where a shorter sequence has ended: it is skipped, and
    ``log_prob`` is that of the others. Of the first symbols alone it is exactly the marginal of
    the whole; for other patterns it is so as far as training makes the orders agree.

    Args:
        length: number of positions T.
        symbols: number of symbols K, or their names, such as the characters of a string.
        dim: width of the network.
        layers: number of attention blocks.
        recurrent: number of layers of an LSTM before them; it learns faster in short fits.
        heads: number of attention heads, a divisor of ``dim``.
        near: the network is told directly of the symbols, as far as they are visited, at these
            offsets from the position to be predicted; a number n stands for -n to n.
        periods: positions are also encoded by their remainders, such as the voice or the beat.
        any_order: share of the rows that train with some symbols given.
        groups: number of interleaved voices; position t belongs to voice t mod ``groups``.
        context: width of the context; 0 for none.
        dropout: share of what the network adds up that is left out in training.
        seed: seed of the initial weights; None draws from torch's global generator.

    Attributes:
        alphabet: names of the symbols.
        groups: as given.

    Shapes: x (*batch, T), context (*batch, context).

    Raises:
        ShapeError: an alphabet of less than 2 symbols, a dim that ``heads`` does not divide.
        ValueError: other sizes or shares out of range.

    Reference: "Argmax Flows and Multinomial Diffusion: Learning Categorical Distributions",
    Hoogeboom, Nielsen, Jaini, Forre, Welling, 2021, arXiv:2102.05379; "A* Sampling", Maddison,
    Tarlow, Minka, 2014, arXiv:1411.0030 (Gumbel variables and their largest); "sigma-GPTs: A New
    Approach to Autoregressive Models", Pannatier, Courdier, Fleuret, 2024, arXiv:2404.09562.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> flow = ArgmaxAutoregressive(4, "abc", dim=16, layers=1, any_order=0.5, seed=0)
        >>> flow.log_prob(torch.tensor([0.0, 2.0, 1.0, 1.0])).exp().detach()  # 1 / 3^4
        tensor(0.0123)
        >>> nan = float("nan")
        >>> flow.sample(5, given=torch.tensor([nan, 2.0, nan, 1.0]), seed=0)[:, 1]
        tensor([2., 2., 2., 2., 2.])
    """

    has_rsample = False
    typed_columns = True

    def __init__(
        self,
        length: int,
        symbols: int | Sequence[str],
        *,
        dim: int = 128,
        layers: int = 4,
        recurrent: int = 0,
        heads: int = 4,
        near: int | Sequence[int] = 8,
        periods: Sequence[int] = (),
        any_order: float = 0.0,
        groups: int = 1,
        context: int = 0,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        check_count("ArgmaxAutoregressive: length", length)
        if not 0 <= any_order <= 1:
            raise ValueError(f"ArgmaxAutoregressive: any_order must be in [0, 1], got {any_order}")
        super().__init__((length,), context)
        self.alphabet = named(symbols)
        self.any_order = any_order
        self.groups = check_count("groups", groups)
        self.periods = tuple(periods)
        # torch does not trace an LSTM
        self.compiles = not recurrent
        self.support = Features([categories(len(self.alphabet))] * length)
        # a seed must not disturb the caller's random state
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.network = AnyOrderTransformer(
                length,
                len(self.alphabet),
                dim=dim,
                layers=layers,
                recurrent=recurrent,
                heads=heads,
                near=[*range(-near, 0), *range(1, near + 1)] if isinstance(near, int) else near,
                periods=periods,
                context=context,
                dropout=dropout,
            )

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        """Nothing depends on data."""

    # -- probabilities ---------------------------------------------------------------------------

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        each, _ = self._conditionals(x, context, torch.zeros_like(x, dtype=torch.bool))
        return each.sum(-1)

    def conditionals(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        given: ArrayLike | None = None,
    ) -> Any:
        """log p of each symbol given those visited before it: the given ones, then all to its left.

        Args:
            x: (*batch, T), NaN where there is none.
            context: (*batch, context).
            given: booleans, (T,) or (*batch, T): what is visited first.

        Returns:
            (*batch, T): 0 where there is no symbol, -inf for what is not in the alphabet; the sum
            over all is ``log_prob`` if none is given, and over those not given
            ``log_prob_given``. A tensor for tensors, else a numpy array.

        Raises:
            As ``log_prob``.
        """
        with torch.set_grad_enabled(is_tensor_like(x, context) and torch.is_grad_enabled()):
            point, seen = self._check_pair(x, context)
            each, _ = self._conditionals(point, seen, self._given(given, point))
            return like_input(each, x, context)

    def log_prob_given(
        self,
        x: ArrayLike,
        given: ArrayLike,
        context: ArrayLike | None = None,
    ) -> Any:
        """log p(the other symbols | those given), exact for the order that visits these first.

        Args:
            x: (*batch, T), NaN where there is no symbol.
            given: booleans, (T,) or (*batch, T).
            context: (*batch, context).

        Returns:
            (*batch): a tensor (with gradient) for tensors, else a numpy array.

        Raises:
            ShapeError: ``given`` of another shape; as ``log_prob``.
        """
        with torch.set_grad_enabled(is_tensor_like(x, context) and torch.is_grad_enabled()):
            point, seen = self._check_pair(x, context)
            first = self._given(given, point)
            each, impossible = self._conditionals(point, seen, first)
            total = torch.where(first & ~impossible, 0.0, each).sum(-1)
            return like_input(total, x, context)

    def _given(self, given: ArrayLike | None, x: Tensor) -> Tensor:
        if given is None:
            return torch.zeros_like(x, dtype=torch.bool)
        flags = torch.as_tensor(given)
        if flags.dtype != torch.bool or flags.shape[-1:] != x.shape[-1:] or flags.ndim > x.ndim:
            raise ShapeError(
                f"given must hold booleans of shape {self.event_shape} or {tuple(x.shape)}, got "
                f"{flags.dtype} of shape {tuple(flags.shape)}"
            )
        return flags.to(x.device).expand(x.shape)

    def _conditionals(
        self, x: Tensor, context: Tensor | None, given: Tensor
    ) -> tuple[Tensor, Tensor]:
        """log p of each symbol, at its position, and which are impossible, (*batch, T)."""
        batch, length = x.shape[:-1], self.event_shape[0]
        there = ~x.isnan()
        impossible = there & ~self.support.contains(x)
        codes = torch.where(there & ~impossible, x, len(self.alphabet)).long().reshape(-1, length)
        order = visiting_order(there.reshape(-1, length), given.reshape(-1, length))
        scores = self.network(codes, order, self._rows(context, batch)).to(x.dtype)
        visited = codes.gather(1, order).clamp(max=len(self.alphabet) - 1)
        found = scores.log_softmax(-1).gather(-1, visited[..., None])[..., 0]
        each = found.gather(1, order.argsort(1)).reshape(x.shape)
        each = torch.where(there, each, 0.0)
        return torch.where(impossible, -torch.inf, each), impossible

    def _rows(self, context: Tensor | None, batch: tuple[int, ...]) -> Tensor | None:
        """The context with the batch of events in one axis."""
        if context is None:
            return None
        return context.expand(*batch, self.context).reshape(-1, self.context)

    def training_objective(self) -> Objective:
        return any_order_likelihood

    # -- samples ---------------------------------------------------------------------------------

    def sample(
        self,
        n: SampleShape = (),
        context: ArrayLike | None = None,
        *,
        given: ArrayLike | None = None,
        temperature: float = 1.0,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """Sequences, or exact conditional draws of the symbols that are not given.

        Args:
            n: number of samples, or a shape; () gives one sample a context and sequence.
            context: (*context_batch, context).
            given: (*given_batch, T), NaN where symbols are wanted; broadcast against
                the contexts.
            temperature: factor of the noise; below 1, probable symbols become more so; at 0 each
                is the most probable one.
            seed: an int or a ``torch.Generator``; None draws from torch's global generator.
            chunk_size: rows worked on at a time; None chooses.

        Returns:
            (n, *context_batch, T): a numpy array where ``context`` or ``given`` is an array, else
            a tensor.

        Raises:
            DataError: a given symbol outside the alphabet.
            ShapeError: sequences of another length.
            ContextError: a missing context, or one of another width.
            ValueError: a temperature that is not a finite number >= 0.
        """
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be a finite number >= 0, got {temperature!r}")
        with torch.no_grad():
            draw = self._chunked_draw(n, context, seed, chunk_size)
            known = self.like.new_full(self.event_shape, torch.nan)
            if given is not None:
                known = to_tensor(given, self.like, "given")
                check_event(self, known, self.event_shape)
                self._check_given(known)
            return like_input(self._filled(known, draw, temperature), context, given)

    def _check_given(self, known: Tensor) -> None:
        bad = ~(known.isnan() | self.support.contains(known))
        if bad.any():
            where = tuple(bad.nonzero()[0].tolist())
            raise DataError(
                f"given holds {float(known[where]):g} at {list(where)}, but symbols are whole "
                f"numbers from 0 to {len(self.alphabet) - 1}, and NaN where they are wanted"
            )

    def _rsample(self, draw: Draw) -> Tensor:
        return self._filled(self.like.new_full(self.event_shape, torch.nan), draw, 1.0)

    def _filled(self, known: Tensor, draw: Draw, temperature: float) -> Tensor:
        """``known`` (*given_batch, T) with its holes drawn, (*draw.batch, T)."""
        like = draw.context[..., :1] if draw.context is not None else self.like.new_zeros(1)
        inner = torch.broadcast_shapes(known.shape[:-1], like.shape[:-1])
        batch = (*draw.shape, *inner)
        length, count = self.event_shape[0], len(self.alphabet)
        size = (*batch, length, count)
        uniform = torch.rand(
            size, generator=draw.generator, dtype=self.like.dtype, device=self.like.device
        )
        noise = temperature * gumbel(uniform.reshape(-1, length, count))
        rows = known.expand(*batch, length).reshape(-1, length)
        context = self._rows(draw.context, batch)
        most = draw.chunk_size or max(len(rows), 1)
        parts = [
            filled_rows(self.network, r, n, None if context is None else context[i : i + most])
            for i, r, n in zip(
                range(0, max(len(rows), 1), most), rows.split(most), noise.split(most), strict=True
            )
        ]
        return torch.cat(parts).reshape(*batch, length)

    @torch.no_grad()
    def latents(self, x: ArrayLike, context: ArrayLike | None = None, *, seed: Seed = None) -> Any:
        """v given x: real numbers, drawn from their exact posterior, whose argmax is x.

        The largest v_t is a Gumbel variable at log sum_k exp(shift_tk); the others are Gumbel
        variables at their shifts that are cut off there.

        Args:
            x: (*batch, T), whole.
            context: (*batch, context).
            seed: of the draws.

        Returns:
            (*batch, T, K), a tensor for tensors, else a numpy array.

        Raises:
            DataError: x holds what is no symbol; as ``log_prob``.

        Reference: "A* Sampling", Maddison, Tarlow, Minka, 2014, arXiv:1411.0030.
        """
        point, seen = self._check_pair(x, context)
        self._check_given(point)
        draw = self._draw(tuple(point.shape[:-1]), None, seed)
        count = len(self.alphabet)
        codes = point.long().reshape(-1, *self.event_shape)
        natural = torch.arange(self.event_shape[0], device=point.device).expand_as(codes)
        scores = self.network(codes, natural, self._rows(seen, tuple(point.shape[:-1])))
        shift = scores.to(point).reshape(*point.shape, count)
        uniform = draw.uniform((*self.event_shape, 1 + count), point)
        chosen = torch.arange(count, device=point.device) == point[..., None]
        return like_input(won_by(chosen, shift, uniform), x, context)


def any_order_likelihood(
    model: ArgmaxAutoregressive,
    x: Tensor,
    context: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Mean of -w log p(x | context) in nats, in training mode with some symbols given first.

    Args:
        model: the model.
        x: (rows, T), NaN where there is no symbol.
        context: (rows, context).
        weight: (rows,), with mean 1 over the data.
    """
    share = model.any_order if model.training else 0.0
    given = drawn_given(x, model.groups, share)
    each, _ = model._conditionals(x, context, given)
    log_prob = each.sum(-1)
    return -(log_prob if weight is None else weight * log_prob).mean()
