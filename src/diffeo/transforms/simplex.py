"""From the reals onto the simplex."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_event
from diffeo.supports import Simplex
from diffeo.transform import Transform
from diffeo.transforms.inside import unless_outside

__all__ = ["StickBreaking"]


class StickBreaking(Transform):
    """From K - 1 reals onto K shares of 1, by breaking off share after share of what is left:

        y_k = (1 - y_1 - ... - y_{k-1}) sigmoid(x_k - log(K - k)),   k < K,

    and y_K is the rest, so that x = 0 gives equal shares. The ladj, sum_k log y_k over all K,
    refers to the first K - 1 shares. Both directions work on logarithms and sums of positive
    numbers, where nothing cancels. Ignores context.

    Args:
        parts: number of shares K, at least 2.

    Shapes: x (*batch, K - 1), y (*batch, K).

    Raises:
        ShapeError: fewer than 2 shares, or events of another shape.

    Reference: "Stan Reference Manual" (constraint transforms: unit simplex), Stan Development
    Team, 2024.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.StickBreaking(4)(torch.zeros(3))[0]
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def __init__(self, parts: int) -> None:
        support = Simplex(parts)
        super().__init__((support.free,), (parts,))
        self.codomain = support

    def _log_odds(self, like: Tensor) -> Tensor:
        """-log(K - k), k = 1..K-1: at which all shares are equal."""
        count = self.in_shape[0]
        return -torch.arange(count, 0, -1, dtype=like.dtype, device=like.device).log()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        logits = x + self._log_odds(x)
        left = F.pad(F.logsigmoid(-logits).cumsum(-1), (1, 0))
        log_y = left + F.pad(F.logsigmoid(logits), (0, 1))
        return log_y.exp(), log_y.sum(-1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        safe = y.clamp(min=torch.finfo(y.dtype).tiny)
        after = safe[..., 1:].flip(-1).cumsum(-1).flip(-1)
        log_y = safe.log()
        x = log_y[..., :-1] - after.log() - self._log_odds(y)
        return x, unless_outside(self.codomain, y, -log_y.sum(-1))
