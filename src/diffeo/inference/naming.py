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
    there = here.clone()
    there[index] += 1e-2 * here[index].abs().clamp(min=1.0)
    names = constrain(torch.stack([here, there]))
    moved = {name: (v[0] != v[1]) & v[0].isfinite() for name, v in names.items()}
    for name, which in moved.items():
        at = which.nonzero().tolist()
        if at:
            # of a simplex or an ordered vector several move
            return Named(name, tuple(at[0]) if len(at) == 1 else ())
    return Named(next(iter(names)), ())


def in_words(value: Tensor) -> str:
    """A number, or the first five of several."""
    flat = [f"{number:.4g}" for number in value.detach().flatten()[:5].tolist()]
    if not value.ndim:
        return flat[0]
    return f"[{', '.join(flat)}{', ...' if value.numel() > 5 else ''}]"
