"""Public entry points that every density shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import diffeo
from diffeo.errors import ShapeError


@pytest.mark.parametrize("n", [np.int64(4), (2, np.int32(2)), 0, (), torch.Size([3])])
def test_numbers_of_samples(n: Any) -> None:
    shape = tuple(n) if isinstance(n, tuple) else (int(n),)
    assert diffeo.bases.StandardNormal(2).sample(n, seed=0).shape == (*shape, 2)


@pytest.mark.parametrize("n", [-1, 2.0, "3", (2, -1), (1.5,)])
def test_numbers_of_samples_that_are_none(n: Any) -> None:
    with pytest.raises(ShapeError, match="number of samples"):
        diffeo.bases.StandardNormal(2).sample(n)
