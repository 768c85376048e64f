"""A transform of some of the features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_event, check_features
from diffeo.errors import ShapeError
from diffeo.supports import Features, Real, Support, parts_of
from diffeo.transform import Transform

__all__ = ["Chosen"]


class Chosen(Transform):
    """Applies a transform to chosen features and leaves the others as they are.

    Args:
        features: number of features D.
        where: D booleans, true for the features that the transform takes, in their order.
        transform: transform of so many features.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``where`` of another length, a transform of another width, or events of
            another shape.
        ContextError: a missing context, or one of another width.

    Example:
        >>> import torch, diffeo
        >>> swap = diffeo.transforms.Chosen(3, [True, False, True], diffeo.transforms.Reverse(2))
        >>> swap(torch.tensor([1.0, 2.0, 3.0]))[0]
        tensor([3., 2., 1.])
    """

    taken: Tensor
    left: Tensor
    restore: Tensor

    def __init__(self, features: int, where: Sequence[bool], transform: Transform) -> None:
        check_features("Chosen", features)
        super().__init__((features,))
        mask = torch.as_tensor(where).bool().cpu()
        if mask.shape != (features,):
            raise ShapeError(
                f"Chosen: where must hold {features} booleans, got shape {tuple(mask.shape)}"
            )
        count = int(mask.sum())
        if transform.in_shape != (count,) or transform.out_shape != (count,):
            raise ShapeError(
                f"Chosen: where marks {count} of {features} features, but "
                f"{type(transform).__name__} takes events of shape {transform.in_shape} "
                f"and gives {transform.out_shape}"
            )
        self.transform = transform
        self.context = transform.context
        self.exactness = transform.exactness
        self.compiles = transform.compiles
        self.domain = _among(mask, transform.domain)
        self.codomain = _among(mask, transform.codomain)
        taken, left = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        self.register_buffer("taken", taken, persistent=False)
        self.register_buffer("left", left, persistent=False)
        self.register_buffer("restore", torch.cat([taken, left]).argsort(), persistent=False)

    def _join(self, x: Tensor, moved: Tensor) -> Tensor:
        left = x.index_select(-1, self.left).expand(*moved.shape[:-1], -1)
        return torch.cat([moved, left], dim=-1).index_select(-1, self.restore)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        moved, ladj = self.transform(x.index_select(-1, self.taken), context)
        return self._join(x, moved), ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        moved, ladj = self.transform.inverse(y.index_select(-1, self.taken), context)
        return self._join(y, moved), ladj

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        self.transform.initialize(y.index_select(-1, self.taken), context)


def _among(mask: Tensor, support: Support) -> Support:
    """``support`` at the chosen features, the reals elsewhere."""
    if isinstance(support, Real):
        return support
    chosen = iter(parts_of(support, int(mask.sum())))
    return Features([next(chosen) if taken else Real() for taken in mask.tolist()])
