"""Symbols as the signs of real numbers: argmaxes between two, side by side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch, check_count
from diffeo.nets.transformer import Transformer
from diffeo.supports import Features, categories
from diffeo.surjections.rows import one_hot
from diffeo.surjections.surjection import Surjection

__all__ = ["BinaryArgmax"]


class BinaryArgmax(Surjection):
    """Sequences of symbols as binary codes, each digit of which is the sign of a real number:

        x_t = symbol with the digits (z_tm > 0),    z_tm = +-softplus(u_tm),    u ~ q(u | x),

    with the contribution -log q(u | x) + sum log sigmoid(u). (A sign is the argmax of two numbers
    of which one is held at 0.) M = ceil(log2 K) numbers stand for a symbol. If K is no power of 2,
    the code is a truncated one: the last number of 2^M - K symbols means nothing, and is u itself,
    so that every z stands for a symbol. q is logistic, with places and scales by a transformer
    that sees all of x.

    Args:
        length: number of positions T.
        symbols: number of symbols K, at least 2.
        context: width of the context; 0 for none.
        dim: width of the transformer of q.
        layers: number of its attention blocks.
        heads: number of attention heads, a divisor of ``dim``.

    Attributes:
        digits: M.

    Shapes: z (*batch, T * M), position by position; x (*batch, T), context (*batch, context).

    Raises:
        ValueError: sizes below 1, or fewer than 2 symbols.
        ShapeError: ``heads`` does not divide ``dim``; events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Argmax Flows and Multinomial Diffusion: Learning Categorical Distributions",
    Hoogeboom, Nielsen, Jaini, Forre, Welling, 2021, arXiv:2102.05379 (thresholding, and the
    Cartesian product of argmaxes).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.BinaryArgmax(2, 3, dim=8, layers=1)
        >>> layer(torch.tensor([-1.0, 5.0, 1.0, 0.5]))
        tensor([0., 2.])
        >>> layer.inverse(torch.tensor([0.0, 2.0]))[0].shape
        torch.Size([4])
    """

    code: Tensor
    fixed: Tensor

    def __init__(
        self,
        length: int,
        symbols: int,
        *,
        context: int = 0,
        dim: int = 64,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        check_count("BinaryArgmax: length", length)
        support = categories(symbols)
        digits = (symbols - 1).bit_length()
        super().__init__((length * digits,), (length,))
        self.digits = digits
        self.symbols = symbols
        self.context = context
        self.codomain = Features([support] * length)
        code, fixed = _truncated_code(symbols, self.digits)
        self.register_buffer("code", code, persistent=False)
        self.register_buffer("fixed", fixed, persistent=False)
        self.proposal = Transformer(
            length, symbols, 2 * self.digits, dim=dim, layers=layers, heads=heads, context=context
        )

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        digits = z.unflatten(-1, (-1, self.digits)) > 0
        powers = 2 ** torch.arange(self.digits - 1, -1, -1, device=z.device)
        value = (digits * powers).sum(-1)
        short = 2**self.digits - self.symbols
        # a short code ends before its last digit
        symbol = torch.where(value // 2 < short, value // 2, value - short)
        nan = z.unflatten(-1, (-1, self.digits)).isnan().any(-1)
        return torch.where(nan, torch.nan, symbol.to(z.dtype))

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        batch, length = x.shape[:-1], self.out_shape[0]
        seen = None
        if context is not None and self.context:
            seen = context.expand(*batch, self.context).reshape(-1, self.context)
        predicted = self.proposal(one_hot(x, self.symbols).reshape(-1, length, self.symbols), seen)
        place, log_scale = (
            predicted.to(x.dtype).reshape(*batch, length, 2 * self.digits).chunk(2, dim=-1)
        )
        log_scale = 4 * torch.tanh(log_scale / 4)
        uniform = torch.rand(place.shape, generator=generator, dtype=x.dtype, device=x.device)
        noise = torch.logit(uniform, eps=torch.finfo(x.dtype).eps)
        u = place + log_scale.exp() * noise
        log_q = F.logsigmoid(noise) + F.logsigmoid(-noise) - log_scale
        symbol = torch.where(x.isnan(), 0.0, x).long()
        fixed = self.fixed[symbol]
        # not 0 itself, which has no sign
        size = F.softplus(u).clamp(min=torch.finfo(x.dtype).tiny)
        z = torch.where(fixed, self.code[symbol].to(x.dtype) * size, u)
        contribution = torch.where(fixed, F.logsigmoid(u), 0.0) - log_q
        return z.flatten(-2), contribution.sum((-2, -1))


def _truncated_code(symbols: int, digits: int) -> tuple[Tensor, Tensor]:
    """The sign (symbols, digits) of each number of a symbol, and whether it matters."""
    short = 2**digits - symbols
    index = torch.arange(symbols)
    value = torch.where(index < short, 2 * index, index + short)
    bits = value[:, None] >> torch.arange(digits - 1, -1, -1) & 1
    fixed = torch.ones(symbols, digits, dtype=torch.bool)
    fixed[:short, -1] = False
    return 2 * bits - 1, fixed
