"""A small model and a small table for every test of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diffeo


@pytest.fixture
def table() -> np.ndarray:
    """(240, 2) correlated normals."""
    noise = np.random.default_rng(0).normal(size=(240, 2))
    return np.stack([noise[:, 0] * 2 + 1, noise[:, 0] + 0.5 * noise[:, 1]], axis=1)


@pytest.fixture
def small():
    """Builds a small seeded model."""

    def build(features: int = 2, **options: Any) -> diffeo.RealNVP:
        return diffeo.RealNVP(features, **{"layers": 2, "hidden": (8,), "seed": 0, **options})

    return build
