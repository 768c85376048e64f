"""Fixed mixture of normals with full covariances."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.bases.normal import LOG_2PI
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError

__all__ = ["MultivariateNormalMixture"]


class MultivariateNormalMixture(Density):
    """p(x) = sum_k w_k N(x; m_k, L_k L_k'), which is not learned. Ignores context.

    As nothing is learned, samples need no gradient and a flow over it can be reparameterised: a
    base for targets whose modes are known.

    Args:
        loc: means m_k (K, D).
        scale_tril: lower triangular L_k (K, D, D) with a positive diagonal; None for identities.
        weights: positive w_k (K), of which only the ratios count; None for equal ones.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: arguments of shapes that do not fit.
        ValueError: weights or a diagonal that are not positive.

    Example:
        >>> import torch, diffeo
        >>> two = diffeo.bases.MultivariateNormalMixture([[-2.0], [2.0]])
        >>> two.log_prob(torch.zeros(1))
        tensor(-2.9189)
    """

    loc: Tensor
    scale_tril: Tensor
    log_weights: Tensor

    def __init__(
        self,
        loc: Tensor | list[list[float]],
        scale_tril: Tensor | list[list[list[float]]] | None = None,
        weights: Tensor | list[float] | None = None,
    ) -> None:
        means = _plain(loc)
        if means.ndim != 2 or 0 in means.shape:
            raise ShapeError(
                f"MultivariateNormalMixture: loc must have shape (K, D), got {tuple(means.shape)}"
            )
        count, features = means.shape
        super().__init__((features,))
        given = torch.eye(features).repeat(count, 1, 1) if scale_tril is None else scale_tril
        factor, share = _plain(given), _plain([1.0] * count if weights is None else weights)
        if factor.shape != (count, features, features) or share.shape != (count,):
            raise ShapeError(
                f"MultivariateNormalMixture: {count} means of {features} features need scale_tril "
                f"{(count, features, features)} and weights {(count,)}, "
                f"got {tuple(factor.shape)} and {tuple(share.shape)}"
            )
        if not bool((share > 0).all() & (factor.diagonal(dim1=1, dim2=2) > 0).all()):
            raise ValueError(
                "MultivariateNormalMixture: weights and the diagonals of scale_tril must be "
                "positive"
            )
        self.register_buffer("loc", means)
        self.register_buffer("scale_tril", factor.tril())
        self.register_buffer("log_weights", (share / share.sum()).log())
        # numbers a row, by which chunks of rows are chosen
        self.row_width = count * features

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        infinite = x.isinf()
        # the solver would make NaN of infinities
        centred = x.masked_fill(infinite, 0.0).unsqueeze(-2) - self.loc
        z = torch.linalg.solve_triangular(
            self.scale_tril, centred.unsqueeze(-1), upper=False
        ).squeeze(-1)
        log_det = self.scale_tril.diagonal(dim1=1, dim2=2).log().sum(-1)
        each = -0.5 * (z * z + LOG_2PI).sum(-1) - log_det
        log_prob = torch.logsumexp(each + self.log_weights, dim=-1)
        return log_prob.masked_fill(infinite.any(-1) & ~x.isnan().any(-1), -torch.inf)

    def _rsample(self, draw: Draw) -> Tensor:
        noise = draw.normal(self.event_shape, self.like)
        if noise.numel() == 0:
            return noise
        rows = noise[..., 0].numel()
        shares = self.log_weights.exp()
        chosen = torch.multinomial(shares, rows, replacement=True, generator=draw.generator)
        scaled = self.scale_tril[chosen] @ noise.reshape(rows, -1, 1)
        return (self.loc[chosen] + scaled.squeeze(-1)).reshape(noise.shape)


def _plain(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.get_default_dtype()).detach().clone()
