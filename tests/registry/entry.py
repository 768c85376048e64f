"""What an entry of the registry is."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

FEATURES = (1, 2, 3, 8)
HIDDEN = (16, 16)
BOTH = (0, 3)


@dataclass(frozen=True)
class Entry:
    """One way to build a public part.

    Attributes:
        name: the test's name.
        covers: the public classes that it stands for.
        make: builds it from a number of features and a width of context.
        features: admissible numbers of features.
        contexts: admissible widths of context.
        identity: starts at the identity.
        tolerance: of float64; 1e-6 where an inverse is numerical.
        single_tolerance: of float32; a comment gives the reason where it is not the default.
        quick: the numbers of features that the ordinary run audits; the others are slow tests. By
            default all but two, which brings little where three are audited.
    """

    name: str
    covers: tuple[type, ...]
    make: Callable[[int, int], Any]
    features: tuple[int, ...] = FEATURES
    contexts: tuple[int, ...] = (0,)
    identity: bool = False
    tolerance: float | None = None
    single_tolerance: float | None = None
    quick: tuple[int, ...] | None = None

    def build(self, features: int, context: int) -> Any:
        """The part, with weights that do not depend on what ran before."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            torch.manual_seed(0)
            # an affine model says at D = 1 that it is only affine; test_models looks at that
            warnings.filterwarnings("ignore", ".* with one feature is .*", UserWarning)
            return self.make(features, context)

    def is_quick(self, features: int) -> bool:
        """Whether the ordinary run audits this number of features."""
        if self.quick is not None:
            return features in self.quick
        return features != 2 or 3 not in self.features


def cases(entries: list[Entry]) -> list[Any]:
    """Every entry at each of its admissible sizes."""
    return [
        pytest.param(e, d, c, marks=() if e.is_quick(d) else pytest.mark.slow)
        for e in entries
        for d in e.features
        for c in e.contexts
    ]
