"""Integers as the floor of real numbers."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffeo.checks import check_batch
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Features, Interval, Positive, Real, Support
from diffeo.supports.discrete import Integers
from diffeo.surjections.proposal import initialize, matching, on_unit_box
from diffeo.surjections.rows import as_list, by_column, encode, encoded_width, with_context
from diffeo.surjections.surjection import Surjection

__all__ = ["UniformDequantization", "VariationalDequantization"]


def _widened(support: Support) -> Support:
    """Where the numbers lie whose floor, plus the least integer, lies in ``support``."""
    if not isinstance(support, Integers):
        return support
    if support.low is None:
        return Real()
    return Positive() if support.high is None else Interval(0, support.high - support.low + 1)


class _Dequantization(Surjection):
    """x = low + floor(z) in the integer columns, whose fractions a subclass draws."""

    is_integer: Tensor
    columns: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, supports: Sequence[Support] | Features) -> None:
        name = type(self).__name__
        each = as_list(name, supports)
        columns = by_column(each)
        found = [s if isinstance(s, Integers) else None for s in columns]
        if not any(found):
            raise ShapeError(f"{name}: none of {each} is of integers; name at least one integers()")
        super().__init__((len(columns),), (len(columns),))
        self.supports = columns
        self.domain, self.codomain = Features([_widened(s) for s in each]), Features(each)
        lows = [None if s is None else s.low for s in found]
        highs = [None if s is None else s.high for s in found]
        self._constant("columns", [i for i, s in enumerate(found) if s])
        self._constant("is_integer", [s is not None for s in found])
        self._constant("shift", [float(low or 0) for low in lows])
        self._constant("low", [-math.inf if low is None else float(low) for low in lows])
        self._constant("high", [math.inf if high is None else float(high) for high in highs])

    def _constant(self, name: str, values: list[Any]) -> None:
        self.register_buffer(name, torch.tensor(values), persistent=False)

    @abstractmethod
    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """u (*batch, integer columns) in [0, 1] and log q(u | x) (*batch)."""

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        whole = torch.clamp(z.floor() + self.shift, self.low, self.high)
        return torch.where(self.is_integer, whole, z)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        drawn, log_q = self._fractions(x, context, generator)
        # 0 and 1 themselves would lie on the edge of the domain
        least = torch.finfo(x.dtype).eps / 2
        u = torch.zeros_like(x).index_copy(-1, self.columns, drawn.clamp(least, 1 - least))
        start = x - self.shift
        # a sum that rounds to the next integer would come back as that integer
        z = torch.minimum(start + u, torch.nextafter(start + 1, start))
        return torch.where(self.is_integer, z, x), -log_q


class UniformDequantization(_Dequantization):
    """Integers as the floor of real numbers whose fraction the inverse draws uniformly:

        x = low + floor(z),    z = x - low + u,    u ~ U(0, 1),    contribution 0.

    The other columns pass through. Ignores context.

    Args:
        supports: the support of each column of x; those of ``integers(...)`` are dequantised. z
            lies in the reals, or in (0, inf) where ``low`` is given, or in (0, high - low + 1).

    Shapes: z and x (*batch, D).

    Raises:
        ShapeError: no integer column; events of another shape.

    Reference: "A note on the evaluation of generative models", Theis, van den Oord, Bethge, 2016,
    arXiv:1511.01844.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.UniformDequantization([diffeo.integers(0, 20)])
        >>> layer(torch.tensor([[3.7]]))
        tensor([[3.]])
        >>> z, contribution = layer.inverse(torch.tensor([[3.0]]))
        >>> bool(3 < z < 4), contribution
        (True, tensor([-0.]))
    """

    def __init__(self, supports: Sequence[Support] | Features) -> None:
        super().__init__(supports)

    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        shape = (*x.shape[:-1], len(self.columns))
        u = torch.rand(shape, generator=generator, dtype=x.dtype, device=x.device)
        return u, x.new_zeros(x.shape[:-1])


class VariationalDequantization(_Dequantization):
    """Integers as the floor of real numbers whose fraction the inverse draws from a learned q:

        x = low + floor(z),    z = x - low + u,    u ~ q(u | x, context),    contribution -log q.

    The other columns pass through. By default q is an autoregressive spline on (0, 1)^m, given
    the whole row; it starts as uniform dequantisation and makes the bound tighter.

    Args:
        supports: the support of each column of x; those of ``integers(...)`` are dequantised. z
            lies in the reals, or in (0, inf) where ``low`` is given, or in (0, high - low + 1).
        context: width of the context; 0 for none.
        hidden: hidden widths of the network of q.
        bins: bins of the splines of q.
        proposal: a q of your own: a density on (0, 1)^m, m the number of integer columns, given
            the row (categories one-hot) and the context.

    Shapes: z and x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: no integer column, a proposal of other widths; events of another shape.
        ValueError: a proposal whose support is not within (0, 1), or whose ``log_prob`` is a bound.
        ContextError: a missing context, or one of another width.

    Reference: "Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
    Architecture Design", Ho, Chen, Srinivas, Duan, Abbeel, 2019, arXiv:1902.00275.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.surjections import VariationalDequantization
        >>> layer = VariationalDequantization([diffeo.real(), diffeo.integers(0)], context=2)
        >>> z, contribution = layer.inverse(torch.tensor([[0.5, 7.0]]), torch.zeros(1, 2))
        >>> layer(z, torch.zeros(1, 2)).detach()
        tensor([[0.5000, 7.0000]])
    """

    def __init__(
        self,
        supports: Sequence[Support] | Features,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        bins: int = 8,
        proposal: Density | None = None,
    ) -> None:
        super().__init__(supports)
        self.context = context
        count, width = len(self.columns), encoded_width(self.supports) + context
        if proposal is None:
            self.proposal: Density = on_unit_box(count, width, hidden, bins)
        else:
            self.proposal = matching("VariationalDequantization", proposal, count, width)
            _check_unit(proposal)
        self.compiles = self.proposal.compiles

    def _seen(self, x: Tensor, context: Tensor | None) -> Tensor:
        return with_context(encode(x, self.supports), context if self.context else None)

    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        return self.proposal._rsample_and_log_prob(Draw((), self._seen(x, context), generator))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        initialize(self.proposal, self._seen(x, context))


def _check_unit(proposal: Density) -> None:
    support = proposal.support
    each = support.supports if isinstance(support, Features) else [support]
    if not all(isinstance(s, Interval) and s.low >= 0 and s.high <= 1 for s in each):
        raise ValueError(
            f"VariationalDequantization: the proposal draws fractions, so its support must lie "
            f"within interval(0, 1), but it is {support!r}"
        )
