"""Log-densities of images in bits per dimension."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from diffeo.checks import check_count

__all__ = ["bits_per_dim"]

Number = TypeVar("Number", float, np.ndarray[Any, Any], Tensor)


def bits_per_dim(log_prob: Number, dims: int, *, bits: int = 0, width: float = 1.0) -> Number:
    """-log p / (D log 2) + n - log2 w, the figure by which densities of images are compared.

    Args:
        log_prob: log-probability of images of whole-number pixels, in nats (``bits`` 0); or the
            log-density of dequantised pixels that were scaled from 0..2^n to an interval.
        dims: pixels times channels D.
        bits: bits n of a pixel, for a log-density.
        width: width w of the interval: 1 for [0, 1], 2 for [-1, 1].

    Returns:
        Of the type of ``log_prob``.

    Raises:
        ValueError: ``dims`` below 1, or a width that is not positive.

    Reference: "A note on the evaluation of generative models", Theis, van den Oord, Bethge, 2016,
    arXiv:1511.01844; "Masked Autoregressive Flow for Density Estimation", Papamakarios, Pavlakou,
    Murray, 2017, arXiv:1705.07057 (appendix E).

    Example:
        NICE's published 1980.50 nats of MNIST on [0, 1]:

        >>> from diffeo.images import bits_per_dim
        >>> round(bits_per_dim(1980.50, 784, bits=8), 4)
        4.3555
    """
    check_count("dims", dims)
    if not width > 0:
        raise ValueError(f"width must be positive, got {width!r}")
    return -log_prob / (dims * math.log(2)) + (bits - math.log2(width))
