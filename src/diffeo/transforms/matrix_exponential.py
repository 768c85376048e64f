"""A learned linear map as the exponential of a matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.transforms.linear import LinearMap
from diffeo.univariates.bounded import LOG_SCALE_BOUND

__all__ = ["MatrixExponential"]


class MatrixExponential(LinearMap):
    """y = exp(A) x + b, with ladj trace(A) and inverse x = exp(-A) (y - b).

    A = W c tanh(p / c) / p with c = log 1000 and p the Schatten 16-norm of W, which is at least
    its largest singular value; hence the singular values of exp(A) lie in (1/1000, 1000).
    Starts at the identity. Either direction costs a matrix exponential, O(D^3) once a batch, and
    O(D^2) a row. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "The Convolution Exponential and Generalized Sylvester Flows", Hoogeboom, Garcia
    Satorras, Tomczak, Welling, 2020, arXiv:2006.01910.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.MatrixExponential(2)(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, shift=True)
        self.weight = nn.Parameter(torch.zeros(features, features))

    def generator(self) -> Tensor:
        """The matrix A (D, D)."""
        norm = _schatten_16(self.weight) / LOG_SCALE_BOUND
        return self.weight * (torch.tanh(norm) / norm)

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        generator = self.generator()
        return F.linear(x, torch.linalg.matrix_exp(generator)), generator.trace()

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        generator = self.generator()
        return F.linear(y, torch.linalg.matrix_exp(-generator)), generator.trace()


def _schatten_16(weight: Tensor) -> Tensor:
    """(sum of the 16th powers of the singular values)^(1/16), at least 1e-12.

    Unlike the largest singular value it needs no decomposition and is smooth, and it exceeds it
    at most by the factor D^(1/16).
    """
    # the norm is homogeneous: dividing first keeps the powers from over- and underflowing
    scale = weight.detach().abs().amax().clamp(min=1e-12)
    power = weight / scale
    power = power.t() @ power
    for _ in range(2):
        power = power @ power
    # with an entry of 1 the sum is at least 1; the clamp is for W = 0
    return scale * power.square().sum().clamp(min=0.5) ** (1 / 16)
