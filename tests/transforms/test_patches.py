"""Where the pixels of an image go."""

from __future__ import annotations

import pytest
import torch

from diffeo.errors import ShapeError
from diffeo.transforms import Patchify


def test_a_token_is_a_patch() -> None:
    x = torch.randn(2, 5, 3, 8, 12)
    y, ladj = Patchify((3, 8, 12), patch=4)(x)
    assert y.shape == (2, 5, 6, 48)
    assert torch.equal(ladj, torch.zeros(2, 5))
    # the second patch of the second row of patches
    assert torch.equal(y[0, 1, 4].reshape(3, 4, 4), x[0, 1, :, 4:8, 4:8])


def test_back_again() -> None:
    layer, x = Patchify((2, 6, 4), patch=2), torch.randn(3, 2, 6, 4)
    again, ladj = layer.inverse(layer(x)[0])
    assert torch.equal(again, x)
    assert torch.equal(ladj, torch.zeros(3))


def test_sides_that_do_not_divide() -> None:
    with pytest.raises(ShapeError, match="28 x 28"):
        Patchify((1, 28, 28), patch=8)
    with pytest.raises(ValueError, match="whole number >= 1"):
        Patchify((1, 28, 28), patch=0)
