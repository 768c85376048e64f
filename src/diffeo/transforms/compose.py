"""Transforms made of transforms: Sequential and Inverse."""

from __future__ import annotations

import itertools
from typing import Any

from torch import Tensor, nn

from diffeo.errors import ShapeError
from diffeo.transform import Transform, weakest

__all__ = ["Inverse", "Sequential"]


class Sequential(Transform):
    """Transforms one after another; ``forward`` applies the first one first.

    Args:
        *transforms: at least one; each must take the event shape that the one before gives.

    Raises:
        ShapeError: no transforms, or event shapes or context widths that do not fit.

    Example:
        >>> import torch, diffeo
        >>> t = diffeo.Sequential(diffeo.transforms.Reverse(3), diffeo.transforms.LU(3))
        >>> y, ladj = t(torch.zeros(5, 3))
    """

    def __init__(self, *transforms: Transform) -> None:
        if not transforms:
            raise ShapeError("Sequential needs at least one transform")
        for before, after in itertools.pairwise(transforms):
            if before.out_shape != after.in_shape:
                raise ShapeError(
                    f"Sequential: {type(before).__name__} gives events of shape "
                    f"{before.out_shape}, but {type(after).__name__} takes {after.in_shape}"
                )
        super().__init__(transforms[0].in_shape, transforms[-1].out_shape)
        self.transforms = nn.ModuleList(transforms)
        self.context = _common_context(transforms)
        self.domain = transforms[0].domain
        self.codomain = transforms[-1].codomain
        self.exactness = weakest(t.exactness for t in transforms)
        self.compiles = all(t.compiles for t in transforms)

    def __iter__(self) -> Any:
        return iter(self.transforms)

    def __len__(self) -> int:
        return len(self.transforms)

    def __getitem__(self, index: int) -> Transform:
        transform: Transform = self.transforms[index]  # type: ignore[assignment]
        return transform

    def arguments(self) -> dict[str, Any]:
        return {"transforms": tuple(self.transforms)}

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, total = self[0](x, context)
        for transform in list(self.transforms)[1:]:
            x, ladj = transform(x, context)
            total = total + ladj
        return x, total

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, total = self[-1].inverse(y, context)
        for transform in list(self.transforms)[-2::-1]:
            y, ladj = transform.inverse(y, context)  # type: ignore[operator]
            total = total + ladj
        return y, total

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        for transform in list(self.transforms)[::-1]:
            transform.initialize(y, context)  # type: ignore[operator]
            y, _ = transform.inverse(y, context)  # type: ignore[operator]


def _common_context(transforms: tuple[Transform, ...]) -> int:
    widths = {t.context for t in transforms if t.context}
    if len(widths) > 1:
        raise ShapeError(f"Sequential: the transforms need contexts of widths {sorted(widths)}")
    return widths.pop() if widths else 0


class Inverse(Transform):
    """The inverse of a transform as a transform: both directions change places.

    Args:
        transform: the transform to turn round.

    Example:
        >>> import torch, diffeo
        >>> log = diffeo.transforms.Inverse(
        ...     diffeo.transforms.Elementwise(1, diffeo.univariates.Exp())
        ... )
        >>> log(torch.ones(1))[0]
        tensor([0.])
    """

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform.out_shape, transform.in_shape)
        self.transform = transform
        self.context = transform.context
        self.domain, self.codomain = transform.codomain, transform.domain
        self.exactness = transform.exactness
        self.compiles = transform.compiles

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.transform.inverse(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = self.transform(y, context)
        return result

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        for module in self.transform.modules():
            if isinstance(module, Transform) and module.data_dependent:
                raise ShapeError(
                    f"Inverse cannot initialise a {type(module).__name__} from data; "
                    f"put it beside the Inverse, not inside it"
                )
