"""Learned linear maps as products of orthogonal and triangular or diagonal matrices: QR, SVD."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.transforms.linear import LinearMap, solve_from_right
from diffeo.transforms.orthogonal import paired_vectors, reflect
from diffeo.univariates.bounded import soft_bound

__all__ = ["QR", "SVD"]


class QR(LinearMap):
    """y = Q R x + b with Q a product of reflections and R upper triangular.

    The diagonal of R is exp(c tanh(a / c)), c = log 1000, so the map is never singular; the ladj is
    the sum of its logs. With an even number of reflections it starts at the identity, with an odd
    one at a random reflection. A row costs O(D^2 + nD + n^2) for n reflections in both directions:
    ``forward`` multiplies by R, ``inverse`` substitutes. Ignores context.

    Args:
        features: number of features D.
        reflections: their number n, at least 1; by default the largest even number up to D (and
            at least 2), which reaches every matrix with positive determinant.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature or reflection, or events of another shape.

    Reference: "Emerging Convolutions for Generative Normalizing Flows", Hoogeboom, van den Berg,
    Welling, 2019, arXiv:1901.11137.

    Example:
        >>> import torch, diffeo
        >>> y, ladj = diffeo.transforms.QR(3)(torch.ones(5, 3))
        >>> bool(torch.allclose(y, torch.ones(5, 3), atol=1e-6))
        True
    """

    def __init__(self, features: int, reflections: int | None = None) -> None:
        super().__init__(features, shift=True)
        self.vectors = nn.Parameter(paired_vectors(self, features, reflections))
        # the strict upper triangle is R's
        self.weight = nn.Parameter(torch.zeros(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))

    def _triangle(self) -> tuple[Tensor, Tensor]:
        log_diagonal = soft_bound(self.log_diagonal)
        return self.weight.triu(1) + torch.diag(log_diagonal.exp()), log_diagonal.sum()

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        triangle, log_det = self._triangle()
        return reflect(F.linear(x, triangle), self.vectors), log_det

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        triangle, log_det = self._triangle()
        turned = reflect(y, self.vectors, reverse=True)
        return solve_from_right(turned, triangle, upper=True), log_det


class SVD(LinearMap):
    """y = U diag(s) V^T x + b with U and V products of reflections.

    s = exp(c tanh(a / c)), c = log 1000, are the singular values; the ladj is the sum of their
    logs. Starts at the identity. Either direction costs O(nD + n^2) a row for n reflections,
    and no system in D unknowns is solved. Ignores context.

    Args:
        features: number of features D.
        reflections: their number n in each of U and V, at least 1; by default the largest even
            number up to D (and at least 2), which reaches every matrix with positive determinant.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature or reflection, or events of another shape.

    Reference: "Stabilizing Gradients for Deep Neural Networks via Efficient SVD Parameterization",
    Zhang, Lei, Dhillon, 2018, arXiv:1803.09327.

    Example:
        >>> import torch, diffeo
        >>> y, ladj = diffeo.transforms.SVD(3)(torch.ones(5, 3))
        >>> bool(torch.allclose(y, torch.ones(5, 3), atol=1e-6))
        True
    """

    def __init__(self, features: int, reflections: int | None = None) -> None:
        super().__init__(features, shift=True)
        # the same vectors, so that U V^T starts at the identity whatever their number
        vectors = paired_vectors(self, features, reflections)
        self.left = nn.Parameter(vectors)
        self.right = nn.Parameter(vectors.clone())
        self.log_values = nn.Parameter(torch.zeros(features))

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_values = soft_bound(self.log_values)
        inner = reflect(x, self.right, reverse=True) * log_values.exp()
        return reflect(inner, self.left), log_values.sum()

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        log_values = soft_bound(self.log_values)
        inner = reflect(y, self.left, reverse=True) * torch.exp(-log_values)
        return reflect(inner, self.right), log_values.sum()
