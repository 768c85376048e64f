"""The argmax flow of couplings, for sequences of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.bases import StandardNormal
from diffeo.checks import check_count
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.flow import Flow
from diffeo.models.sequences.alphabet import OfSymbols, named
from diffeo.nets.transformer import Transformer
from diffeo.surjections import BinaryArgmax
from diffeo.surjective_flow import SurjectiveFlow
from diffeo.transforms import Coupling, Sequential
from diffeo.univariates import RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = ["ArgmaxCoupling"]


class ArgmaxCoupling(OfSymbols, SurjectiveFlow):
    """Argmax flow of sequences of T symbols, each one of K, whose latent numbers couplings move.

    Each symbol is the signs of ceil(log2 K) real numbers (``BinaryArgmax``), and the density of
    all of them is a flow of couplings whose parameters come from transformers that see the whole
    sequence: in turn, some of the numbers of every symbol are moved given the others, and all
    numbers of every second symbol. A sample takes one pass, however long the sequence is.

    ``log_prob`` is a bound, with ``num_samples=k`` the importance-weighted one.

    Args:
        length: number of positions T, at least 2.
        symbols: number of symbols K, or their names, such as the characters of a string.
        couplings: number of couplings.
        univariate: the scalar map; by default a rational-quadratic spline of 8 bins.
        dim: width of the transformers.
        layers: number of attention blocks in each.
        heads: number of attention heads, a divisor of ``dim``.
        context: width of the context; 0 for none.
        seed: seed of the initial weights; None draws from torch's global generator.

    Attributes:
        alphabet: names of the symbols.

    Shapes: x (*batch, T), context (*batch, context).

    Raises:
        ShapeError: a length below 2, an alphabet of less than 2 symbols, a dim that ``heads`` does
            not divide.
        ValueError: other sizes below 1.

    Reference: "Argmax Flows and Multinomial Diffusion: Learning Categorical Distributions",
    Hoogeboom, Nielsen, Jaini, Forre, Welling, 2021, arXiv:2102.05379.

    Example:
        >>> import torch
        >>> from diffeo.models import ArgmaxCoupling
        >>> flow = ArgmaxCoupling(4, "abc", couplings=2, dim=8, layers=1, seed=0)
        >>> flow.exactness, flow.sample(10, seed=0).shape
        ('bound', torch.Size([10, 4]))
    """

    def __init__(
        self,
        length: int,
        symbols: int | Sequence[str],
        *,
        couplings: int = 8,
        univariate: Univariate | None = None,
        dim: int = 64,
        layers: int = 2,
        heads: int = 4,
        context: int = 0,
        seed: int | None = None,
    ) -> None:
        if check_count("ArgmaxCoupling: length", length) < 2:
            raise ShapeError("ArgmaxCoupling: couplings need sequences of at least 2 symbols")
        check_count("couplings", couplings)
        alphabet = named(symbols)
        sizes: dict[str, Any] = {"dim": dim, "layers": layers, "heads": heads, "context": context}
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            argmax = BinaryArgmax(length, len(alphabet), **sizes)
            scalar = RationalQuadraticSpline() if univariate is None else univariate
            stack = [
                _coupling(scalar, mask, sizes) for mask in _masks(length, argmax.digits, couplings)
            ]
        super().__init__(Flow(StandardNormal(length * argmax.digits), Sequential(*stack)), argmax)
        self.alphabet = alphabet

    def arguments(self) -> dict[str, Any]:
        # what it was built with, not the parts of a SurjectiveFlow
        return Described.arguments(self)


def _masks(length: int, digits: int, count: int) -> list[Tensor]:
    """Which numbers (T, M) each coupling moves."""
    place, digit = torch.arange(length)[:, None], torch.arange(digits)
    masks = []
    for i in range(count):
        # of digits by halves of several kinds, and of whole symbols
        kinds = [(digit // 2**k + 0 * place) % 2 for k in range(max(1, (digits - 1).bit_length()))]
        kinds = [(place + 0 * digit) % 2, *(kinds if digits > 1 else [])]
        moved = kinds[(i // 2) % len(kinds)] == i % 2
        masks.append(moved)
    return masks


def _coupling(univariate: Univariate, moved: Tensor, sizes: dict[str, Any]) -> Coupling:
    network = _TokenConditioner(moved, univariate.num_params, **sizes)
    return Coupling(
        moved.numel(),
        univariate,
        mask=moved.flatten(),
        context=sizes["context"],
        conditioner=network,
    )


class _TokenConditioner(nn.Module):
    """Parameters of the numbers that move, by a transformer over the positions of those kept.

    Args:
        moved: (T, M), true where a number moves.
        num_params: parameters of one.
        **sizes: of the transformer.
    """

    moved: Tensor
    kept: Tensor

    def __init__(self, moved: Tensor, num_params: int, **sizes: Any) -> None:
        super().__init__()
        self.length, self.digits = moved.shape
        flat = moved.flatten()
        self.register_buffer("moved", flat.nonzero()[:, 0], persistent=False)
        # the place of each number among those kept; those that move read a 0 behind them
        place = torch.where(flat, int((~flat).sum()), (~flat).cumsum(0) - 1)
        self.register_buffer("kept", place, persistent=False)
        self.network = Transformer(self.length, self.digits, num_params * self.digits, **sizes)

    def forward(self, kept: Tensor, context: Tensor | None = None) -> Tensor:
        """(*batch, kept) to (*batch, num_params * moved)."""
        batch = kept.shape[:-1]
        whole = nn.functional.pad(kept, (0, 1)).index_select(-1, self.kept)
        if context is not None:
            context = context.expand(*batch, -1).reshape(-1, context.shape[-1])
        out = self.network(whole.reshape(-1, self.length, self.digits), context)
        # (rows, num_params, T * M), of which those that move
        params = out.unflatten(-1, (-1, self.digits)).movedim(1, 2).flatten(2)
        found = params.index_select(-1, self.moved).flatten(1)
        return found.reshape(*batch, found.shape[-1])
