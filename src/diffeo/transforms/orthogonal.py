"""Learned rotations and reflections: Householder products, matrix exponentials, Cayley maps."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.errors import ShapeError
from diffeo.transforms.linear import LinearMap, solve_triangle
from diffeo.univariates.bounded import soft_bound

__all__ = ["Cayley", "Householder", "Rotation", "householder_matrix", "paired_vectors", "reflect"]

# entries of the skew matrices: every rotation has a logarithm with entries up to pi, and a Cayley
# map with entries up to 100 reaches angles of 178.9 degrees; beyond, float32 loses orthogonality
ANGLE_BOUND = 2 * math.pi
CAYLEY_BOUND = 100.0


def reflect(x: Tensor, vectors: Tensor, *, reverse: bool = False) -> Tensor:
    """H_n ... H_1 x with the reflections H_i = I - 2 v_i v_i^T / |v_i|^2, or its inverse.

    The product is I - V^T L^-1 V, where the rows of V are the v_i / |v_i| and L is the lower
    triangle of V V^T with its diagonal halved: one small triangular system instead of n steps.
    A zero vector stands for the first unit vector, so that the product is always orthogonal.

    Args:
        x: (*batch, D).
        vectors: (n, D) for one product, or (*batch, n, D) for one a point; broadcast against x.
        reverse: apply the inverse, H_1 ... H_n.

    Returns:
        (*batch, D).

    Reference: "Accumulating Householder transformations, revisited", Joffrain, Low, Quintana-Orti,
    van de Geijn, Van Zee, 2006, doi:10.1145/1141885.1141886.

    Example:
        >>> import torch
        >>> reflect(torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 3.0]]))
        tensor([ 1., -2.])
    """
    units = _unit(vectors)
    if vectors.ndim == 2:
        flat = x.reshape(-1, x.shape[-1])
        weights = _weights(units, units @ flat.t(), reverse)
        return (flat - weights.t() @ units).reshape(x.shape)
    weights = _weights(units, units @ x.unsqueeze(-1), reverse)
    return x - (units.mT @ weights).squeeze(-1)


def householder_matrix(vectors: Tensor) -> Tensor:
    """The orthogonal matrix H_n ... H_1 of ``reflect``.

    Args:
        vectors: (*batch, n, D).

    Returns:
        (*batch, D, D), with determinant (-1)^n.
    """
    units = _unit(vectors)
    eye = torch.eye(units.shape[-1], dtype=units.dtype, device=units.device)
    return eye - units.mT @ _weights(units, units, reverse=False)


def paired_vectors(part: object, features: int, reflections: int | None) -> Tensor:
    """Random vectors (reflections, D) in equal pairs, whose reflections cancel.

    Args:
        part: whose error message it is.
        features: D.
        reflections: by default the largest even number up to D (and at least 2), which is enough
            for every rotation.

    Raises:
        ShapeError: fewer than one reflection.
    """
    count = max(features - features % 2, 2) if reflections is None else reflections
    if count < 1:
        raise ShapeError(f"{type(part).__name__}: reflections must be at least 1, got {count}")
    return torch.randn((count + 1) // 2, features).repeat_interleave(2, dim=0)[:count]


def _unit(vectors: Tensor) -> Tensor:
    # the direction does not depend on the scale, which keeps squares from over- and underflowing
    scale = vectors.detach().abs().amax(-1, keepdim=True)
    zero = scale < torch.finfo(vectors.dtype).tiny
    first = torch.eye(1, vectors.shape[-1], dtype=vectors.dtype, device=vectors.device)[0]
    safe = torch.where(zero, first, vectors / torch.where(zero, 1.0, scale))
    return safe / torch.linalg.vector_norm(safe, dim=-1, keepdim=True)


def _weights(units: Tensor, projections: Tensor, reverse: bool) -> Tensor:
    """L^-1 P, or L^-T P in reverse."""
    gram = units @ units.mT
    half = 0.5 * torch.eye(units.shape[-2], dtype=units.dtype, device=units.device)
    triangle = (gram.triu(1) if reverse else gram.tril(-1)) + half
    return solve_triangle(triangle, projections, upper=reverse)


class Householder(LinearMap):
    """y = H_n ... H_1 x, a product of the reflections H_i = I - 2 v_i v_i^T / |v_i|^2.

    An even number of reflections makes a rotation, an odd one turns the orientation; both ladj
    are 0. The vectors start in equal pairs, so an even number starts at the identity, an odd one
    at a random reflection. Either direction costs O(nD + n^2) a row. Ignores context.

    Args:
        features: number of features D.
        reflections: their number n, at least 1; by default the largest even number up to D (and
            at least 2), which reaches every rotation.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature or reflection, or events of another shape.

    Reference: "Improving Variational Auto-Encoders using Householder Flow", Tomczak, Welling,
    2016, arXiv:1611.09630.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Householder(3, reflections=1)
        >>> layer.vectors.data = torch.tensor([[1.0, 0.0, 0.0]])
        >>> layer(torch.ones(3))[0].detach()
        tensor([-1.,  1.,  1.])
    """

    def __init__(self, features: int, reflections: int | None = None) -> None:
        super().__init__(features, shift=False)
        self.vectors = nn.Parameter(paired_vectors(self, features, reflections))

    def matrix(self) -> Tensor:
        """The orthogonal matrix (D, D) of ``forward``."""
        return householder_matrix(self.vectors)

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return reflect(x, self.vectors), x.new_zeros(())

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return reflect(y, self.vectors, reverse=True), y.new_zeros(())


class _Rotation(LinearMap):
    """y = Q x for a rotation Q that is made from a skew matrix."""

    def __init__(self, features: int) -> None:
        super().__init__(features, shift=False)
        # the strict lower triangle is the skew matrix's
        self.weight = nn.Parameter(torch.zeros(features, features))

    @abstractmethod
    def matrix(self) -> Tensor:
        """The orthogonal matrix (D, D) of ``forward``."""

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(x, self.matrix()), x.new_zeros(())

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(y, self.matrix().t()), y.new_zeros(())


class Rotation(_Rotation):
    """y = exp(A) x with A^T = -A, which reaches every rotation; both ladj are 0.

    The entries of A are 2 pi tanh(a / 2 pi). Starts at the identity. Either direction costs a
    matrix exponential, O(D^3) once a batch, and O(D^2) a row. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "Cheap Orthogonal Constraints in Neural Networks: A Simple Parametrization of the
    Orthogonal and Unitary Group", Lezcano-Casado, Martinez-Rubio, 2019, arXiv:1901.08428.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Rotation(2)(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    def matrix(self) -> Tensor:
        return torch.linalg.matrix_exp(_skew(soft_bound(self.weight, ANGLE_BOUND)))


class Cayley(_Rotation):
    """y = (I - A)(I + A)^-1 x with A^T = -A, a rotation without half turns; both ladj are 0.

    The entries of A are 100 tanh(a / 100). I + A is never singular, because the eigenvalues of A
    are imaginary. Starts at the identity. Either direction costs a linear system, O(D^3) once a
    batch (less than a matrix exponential), and O(D^2) a row. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "Cheap Orthogonal Constraints in Neural Networks: A Simple Parametrization of the
    Orthogonal and Unitary Group", Lezcano-Casado, Martinez-Rubio, 2019, arXiv:1901.08428.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Cayley(2)(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    def matrix(self) -> Tensor:
        skew = _skew(soft_bound(self.weight, CAYLEY_BOUND))
        eye = torch.eye(len(skew), dtype=skew.dtype, device=skew.device)
        return torch.linalg.solve_ex(eye + skew, eye - skew)[0]


def _skew(weight: Tensor) -> Tensor:
    lower = weight.tril(-1)
    return lower - lower.mT
