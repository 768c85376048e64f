"""Which of several methods that must agree a class has written last."""

from __future__ import annotations

import functools

__all__ = ["is_latest"]


@functools.cache
def is_latest(kind: type, name: str, *others: str) -> bool:
    """Whether ``name`` comes from the class that wrote ``others``, or from a subclass of it.

    A fast path that restates slower methods must not be taken where a subclass has changed those
    and not it.
    """
    depth, *depths = (
        next(i for i, each in enumerate(kind.__mro__) if method in vars(each))
        for method in (name, *others)
    )
    return depth <= min(depths)
