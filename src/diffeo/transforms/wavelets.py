"""Fixed orthogonal transforms along the features: Haar wavelets and the cosine transform."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_event, check_features
from diffeo.transform import Transform
from diffeo.transforms.linear import LinearMap

__all__ = ["DCT", "Haar"]


class Haar(Transform):
    """Orthonormal Haar wavelet transform along the features; both ladj are 0. Ignores context.

    Neighbours (x_0, x_1), (x_2, x_3), ... become sums s and differences d,

        s_i = (x_{2i} + x_{2i+1}) / sqrt 2,   d_i = (x_{2i} - x_{2i+1}) / sqrt 2,

    and the sums are transformed again until one is left. Where a level has an odd number of
    elements, its last one joins the sums as it is, so that any D will do. Coarse comes first: the
    last sum, then the differences from the coarsest level to the finest. ``forward`` analyses,
    ``inverse`` synthesises; O(D) a row either way.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "A Theory for Multiresolution Signal Decomposition: The Wavelet Representation",
    Mallat, 1989, doi:10.1109/34.192463.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Haar(2)(torch.tensor([3.0, 1.0]))[0]
        tensor([2.8284, 1.4142])
    """

    lossless = True

    def __init__(self, features: int) -> None:
        check_features("Haar", features)
        super().__init__((features,))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        details: list[Tensor] = []
        low = x
        while (count := low.shape[-1]) > 1:
            pairs = low[..., : count - count % 2].unflatten(-1, (-1, 2))
            first, second = pairs.unbind(-1)
            details.append((first - second) * math.sqrt(0.5))
            low = torch.cat([(first + second) * math.sqrt(0.5), low[..., count - count % 2 :]], -1)
        return torch.cat([low, *details[::-1]], -1), x.new_zeros(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        sizes = [self.in_shape[0]]
        while sizes[-1] > 1:
            sizes.append((sizes[-1] + 1) // 2)
        low = y[..., :1]
        for size in sizes[-2::-1]:
            half = size // 2
            # the differences of this level lie behind its sums
            total, detail = low[..., :half], y[..., size - half : size]
            pairs = torch.stack([total + detail, total - detail], dim=-1) * math.sqrt(0.5)
            low = torch.cat([pairs.flatten(-2), low[..., half:]], -1)
        return low, y.new_zeros(y.shape[:-1])


class DCT(LinearMap):
    """Orthonormal cosine transform (DCT-II) along the features; both ladj are 0. Ignores context.

        y_k = sqrt((2 - [k = 0]) / D) sum_n x_n cos(pi k (2n + 1) / (2D))

    A matrix product: O(D^2) a row in both directions, of which ``inverse`` is the DCT-III.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "Discrete Cosine Transform", Ahmed, Natarajan, Rao, 1974,
    doi:10.1109/T-C.1974.223784.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.DCT(4)(torch.ones(4))[0][0]
        tensor(2.)
    """

    phase: Tensor

    def __init__(self, features: int) -> None:
        super().__init__(features, shift=False)
        n = torch.arange(features)
        # whole turns are taken away in integers, which stay exact whatever the module's dtype
        self.register_buffer("phase", n[:, None] * (2 * n + 1) % (4 * features), persistent=False)

    def _matrix(self, x: Tensor) -> Tensor:
        features = len(self.phase)
        cosines = torch.cos(self.phase.to(x.dtype) * (math.pi / (2 * features)))
        scale = torch.full_like(cosines[:, :1], math.sqrt(2 / features))
        scale[0] = math.sqrt(1 / features)
        return scale * cosines

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(x, self._matrix(x)), x.new_zeros(())

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(y, self._matrix(y).t()), y.new_zeros(())
