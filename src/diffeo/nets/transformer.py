"""Transformers over tokens; what a causal one says of a token depends on no later one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.checks import check_context, check_count
from diffeo.nets.attention import AttentionBlock, KeyValueCache
from diffeo.nets.layers import OutputLinear
from diffeo.nets.mlp import _InputLayer

__all__ = ["CausalTransformer", "Transformer"]


class _OfTokens(nn.Module):
    """What the transformers share: all but which tokens see which."""

    def __init__(
        self,
        tokens: int,
        inputs: int,
        outputs: int,
        dim: int,
        layers: int,
        heads: int,
        context: int,
        *,
        causal: bool,
    ) -> None:
        super().__init__()
        for name, size in (("dim", dim), ("layers", layers), ("heads", heads)):
            check_count(name, size)
        self.tokens = tokens
        self.context = context
        self.input = _InputLayer(inputs, dim, context)
        # a standard deviation at which tokens rather than positions dominate at first
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, dim))
        self.blocks = nn.ModuleList(
            AttentionBlock(dim, heads, tokens, causal=causal) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.output = OutputLinear(dim, outputs)

    def _run(self, x: Tensor, context: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        check_context(self, context, self.context)
        start, count = 0 if cache is None else cache.length, x.shape[1]
        seen = context[:, None] if self.context and context is not None else None
        h = self.input(x, seen) + self.positions[start : start + count]
        mask = None if cache is None else cache.mask(count, x.device)
        for number, block in enumerate(self.blocks):
            h = block(h, cache, number, mask)
        # as rows of one axis, which the output layer lays out with features first
        out: Tensor = self.output(self.norm(h).flatten(0, 1))
        return out.unflatten(0, (len(x), count))


class CausalTransformer(_OfTokens):
    """Pre-norm transformer whose output t depends on the tokens up to t and the context.

    A learned position and the context are added to every token. The output layer starts at zero.

    Args:
        tokens: number of tokens T.
        inputs: width of a token.
        outputs: width of an output.
        dim: width inside.
        layers: number of attention blocks.
        heads: number of attention heads, a divisor of ``dim``.
        context: width of the context; 0 for none.

    Shapes: x (rows, T, inputs), context (rows, context) or (1, context) -> (rows, T, outputs).

    Raises:
        ShapeError: ``heads`` does not divide ``dim``.
        ValueError: sizes below 1.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Attention Is All You Need", Vaswani et al., 2017, arXiv:1706.03762; "On Layer
    Normalization in the Transformer Architecture", Xiong et al., 2020, arXiv:2002.04745.

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.CausalTransformer(5, 2, 4, dim=8, layers=1, heads=2)
        >>> net(torch.zeros(3, 5, 2)).shape
        torch.Size([3, 5, 4])
    """

    def __init__(
        self,
        tokens: int,
        inputs: int,
        outputs: int,
        *,
        dim: int = 256,
        layers: int = 4,
        heads: int = 4,
        context: int = 0,
    ) -> None:
        super().__init__(tokens, inputs, outputs, dim, layers, heads, context, causal=True)

    def forward(
        self, x: Tensor, context: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """The outputs of all tokens, or those of n tokens that follow the ones in ``cache``.

        Args:
            x: (rows, T, inputs), or (rows, n, inputs) with a cache.
            context: (rows, context) or (1, context).
            cache: of the tokens before; whoever calls moves its ``length`` on by as many as are
                final.
        """
        return self._run(x, context, cache)


class Transformer(_OfTokens):
    """Pre-norm transformer whose outputs depend on all tokens and the context.

    A learned position and the context are added to every token. The output layer starts at zero.

    Args:
        As ``CausalTransformer``.

    Shapes: x (rows, T, inputs), context (rows, context) or (1, context) -> (rows, T, outputs).

    Raises:
        As ``CausalTransformer``.

    Reference: "Attention Is All You Need", Vaswani et al., 2017, arXiv:1706.03762.

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.Transformer(5, 2, 4, dim=8, layers=1, heads=2)
        >>> net(torch.zeros(3, 5, 2)).shape
        torch.Size([3, 5, 4])
    """

    def __init__(
        self,
        tokens: int,
        inputs: int,
        outputs: int,
        *,
        dim: int = 256,
        layers: int = 4,
        heads: int = 4,
        context: int = 0,
    ) -> None:
        super().__init__(tokens, inputs, outputs, dim, layers, heads, context, causal=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The outputs of all tokens.

        Args:
            x: (rows, T, inputs).
            context: (rows, context) or (1, context).
        """
        return self._run(x, context, None)
