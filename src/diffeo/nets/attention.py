"""Self-attention, mostly causal, that can remember the keys and values of tokens it has seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.errors import ShapeError

__all__ = ["AttentionBlock", "KeyValueCache"]


class KeyValueCache:
    """What the layers of one network know of the tokens so far.

    Args:
        capacity: number of tokens in all.
        reuse: write into one buffer a layer. Otherwise every step makes new tensors, as gradients
            and tracing need.

    Attributes:
        length: number of tokens that are final; what is known of later ones is overwritten.
    """

    def __init__(self, capacity: int, *, reuse: bool) -> None:
        self.capacity = capacity
        self.reuse = reuse
        self.length = 0
        self._kept: dict[int, Tensor] = {}

    def mask(self, count: int, device: torch.device) -> Tensor | None:
        """(count, length + count), true where a new token may look; None for a single one: all."""
        if count == 1:
            return None
        seen = torch.ones(count, self.length + count, dtype=torch.bool, device=device)
        return seen.tril(self.length)

    def extended(self, layer: int, new: Tensor) -> Tensor:
        """Keys and values of the final tokens and of n ``new`` ones.

        Args:
            layer: whose they are.
            new: (2, rows, heads, n, width).

        Returns:
            (2, rows, heads, length + n, width).
        """
        if not self.reuse:
            old = self._kept.get(layer)
            whole = new if old is None else torch.cat([old[..., : self.length, :], new], dim=-2)
            self._kept[layer] = whole
            return whole
        if layer not in self._kept:
            self._kept[layer] = new.new_empty(*new.shape[:-2], self.capacity, new.shape[-1])
        end = self.length + new.shape[-2]
        buffer = self._kept[layer]
        buffer[..., self.length : end, :] = new
        return buffer[..., :end, :]


class AttentionBlock(nn.Module):
    """h + attention(norm(h)), then h + MLP(norm(h)); if causal, no token sees a later one.

    Args:
        dim: width of a token.
        heads: number of attention heads, a divisor of ``dim``.
        tokens: number of tokens, from which the memory of a row is estimated.
        causal: whether later tokens are hidden; without, there is no cache.
        dropout: share of what is added that is left out in training.

    Shapes: h (rows, n, dim) -> the same.

    Raises:
        ShapeError: ``heads`` does not divide ``dim``.
    """

    def __init__(
        self, dim: int, heads: int, tokens: int, *, causal: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ShapeError(f"heads must divide dim, got {heads} heads and a dim of {dim}")
        self.heads = heads
        self.causal = causal
        self.dropout = dropout
        self.row_width = 4 * dim * tokens
        self.before_attention = nn.LayerNorm(dim)
        self.projections = nn.Linear(dim, 3 * dim)
        self.merge = nn.Linear(dim, dim)
        self.before_mlp = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)

    def forward(
        self,
        h: Tensor,
        cache: KeyValueCache | None = None,
        layer: int = 0,
        mask: Tensor | None = None,
    ) -> Tensor:
        """All tokens from the first, or those that follow the ones in ``cache``.

        Args:
            h: (rows, n, dim).
            cache: what is known of the tokens before.
            layer: the number of this block in ``cache``.
            mask: (n, length + n), true where a token of ``h`` may look; None with a cache: all.
        """
        h = h + self._thinned(self._attention(self.before_attention(h), cache, layer, mask))
        wide = F.gelu(self.up(self.before_mlp(h)))
        return h + self._thinned(self.down(wide))

    def _thinned(self, added: Tensor) -> Tensor:
        return F.dropout(added, self.dropout, self.training) if self.dropout else added

    def _attention(
        self, h: Tensor, cache: KeyValueCache | None, layer: int, mask: Tensor | None
    ) -> Tensor:
        # (3, rows, heads, n, width)
        split = self.projections(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, known = split[0], split[1:]
        if cache is not None:
            known = cache.extended(layer, known)
        seen = F.scaled_dot_product_attention(
            query, known[0], known[1], attn_mask=mask, is_causal=self.causal and cache is None
        )
        merged: Tensor = self.merge(seen.transpose(1, 2).flatten(2))
        return merged
