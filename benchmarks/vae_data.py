"""Binarised MNIST, the same for every model: each pixel drawn once, with a fixed seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["PIXELS", "binarised_mnist"]

PATH = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "images" / "mnist.npz"
BINARISATION_SEED = 0
VALIDATION = 10_000
PIXELS = 28 * 28


def binarised_mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """50,000 images to train on, 10,000 to validate and 10,000 to test, (rows, 784) of 0 and 1.

    A pixel is 1 with the probability of its grey level.
    """
    with np.load(PATH) as file:
        grey = np.concatenate([file["x_train"], file["x_test"]]).reshape(-1, PIXELS) / 255
    rng = np.random.default_rng(BINARISATION_SEED)
    binary = (rng.random(grey.shape) < grey).astype(np.float32)
    train, test = binary[:60_000], binary[60_000:]
    return train[:-VALIDATION], train[-VALIDATION:], test
