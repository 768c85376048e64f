"""Supports of features."""

from __future__ import annotations

from diffeo.supports import Support, interval, positive, real


def scalar_supports(features: int) -> list[Support]:
    kinds = [interval(-1.0, 3.0), positive(), real()]
    return [kinds[i % 3] for i in range(features)]
