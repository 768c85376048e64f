"""Fixtures of all tests. (This file also puts ``tests`` on the path, for ``registry``.)"""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, whatever ran before it."""
    torch.manual_seed(0)
