"""Points and coordinates of a target in the words of its named values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

__all__ = ["Named", "coordinate", "in_words"]

Values = Callable[[Tensor], Mapping[str, Tensor]]


class Named:
    """A named value, or one entry of it, such as ``theta[2]``."""

    def __init__(self, name: str, entry: tuple[int, ...]) -> None:
        self.name, self.entry = name, entry

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.entry))}]" if self.entry else self.name

    def at(self, values: Mapping[str, Tensor]) -> str:
        """Its first value of several, in words."""
        return in_words(values[self.name][0][self.entry])


@torch.no_grad()
def coordinate(constrain: Values, here: Tensor, index: int) -> Named:
    """What moves with a coordinate of the unconstrained reals.

    Args:
        constrain: gives values to points (n, dim).
        here: a point (dim) to move from.
        index: of the coordinate.
    """
    # far out values are rounded and none moves
    for point in (here, torch.zeros_like(here)):
        there = point.clone()
        there[index] += 1e-2 * point[index].abs().clamp(min=1.0)
        values = constrain(torch.stack([point, there]))
        for name, value in values.items():
            at = ((value[0] != value[1]) & value[0].isfinite()).nonzero().tolist()
            if at:
                # of a simplex or an ordered vector several move
                return Named(name, tuple(at[0]) if len(at) == 1 else ())
    return Named(next(iter(values)), ())


def in_words(value: Tensor) -> str:
    """A number, or the first five of several."""
    flat = [f"{number:.4g}" for number in value.detach().flatten()[:5].tolist()]
    if not value.ndim:
        return flat[0]
    return f"[{', '.join(flat)}{', ...' if value.numel() > 5 else ''}]"
