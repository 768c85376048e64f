"""Haar and DCT against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from diffeo.transforms import DCT, Haar


def _haar_matrix(size: int) -> np.ndarray:
    """Orthonormal Haar matrix of a power of two, coarse rows first, by Kronecker products."""
    if size == 1:
        return np.ones((1, 1))
    coarse = np.kron(_haar_matrix(size // 2), [1, 1])
    fine = np.kron(np.eye(size // 2), [1, -1])
    return np.concatenate([coarse, fine]) / math.sqrt(2)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_haar_of_a_power_of_two_is_the_haar_matrix(size: int) -> None:
    found = Haar(size)(torch.eye(size, dtype=torch.float64))[0].T
    torch.testing.assert_close(found, torch.from_numpy(_haar_matrix(size)))


def test_haar_carries_an_odd_element() -> None:
    x = torch.tensor([1.0, 3.0, 5.0, 1.0, 7.0], dtype=torch.float64)
    h = math.sqrt(0.5)
    # level 1: sums 4h, 6h and the carried 7; level 2: sum 10 h h = 5 and the carried 7
    expected = [12 * h, -2 * h, -2 * h * h, -2 * h, 4 * h]
    torch.testing.assert_close(Haar(5)(x)[0], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 12, 33])
def test_both_are_orthogonal_at_any_size(size: int) -> None:
    eye = torch.eye(size, dtype=torch.float64)
    for layer in (Haar(size), DCT(size)):
        rows = layer(eye)[0]
        torch.testing.assert_close(rows @ rows.T, eye)
        torch.testing.assert_close(layer.inverse(eye)[0], rows.T)


@pytest.mark.parametrize("size", [1, 4, 7])
def test_dct_is_its_formula(size: int) -> None:
    x = np.random.default_rng(0).normal(size=size)
    expected = [
        math.sqrt((1 if k == 0 else 2) / size)
        * sum(x[n] * math.cos(math.pi * k * (2 * n + 1) / (2 * size)) for n in range(size))
        for k in range(size)
    ]
    found = DCT(size)(torch.from_numpy(x))[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_dct_is_exact_to_the_dtype_of_its_input_at_large_sizes() -> None:
    """A table of cosines made in float32 would keep float64 inputs at float32's precision."""
    layer, x = DCT(512), torch.randn(512, dtype=torch.float64)
    torch.testing.assert_close(layer.inverse(layer(x)[0])[0], x, rtol=1e-12, atol=1e-12)
