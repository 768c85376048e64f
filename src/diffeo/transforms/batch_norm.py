"""Batch normalisation as a layer of a flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.checks import check_event
from diffeo.transforms.scaling import Affine, Scaling, gained

__all__ = ["BatchNorm"]


class BatchNorm(Scaling):
    """y = mean + sqrt(var + eps) * (x exp(s) + t), with mean and variance of batches of data.

    Which statistics: in training mode ``inverse`` (data to base) takes those of the batch it is
    given and updates the running ones; in evaluation mode, and in ``forward`` always, the running
    ones serve. So train with ``inverse`` (by likelihood), and call ``eval()`` before densities
    count: in training mode they depend on the batch, and ``forward`` does not undo ``inverse``.
    The ladj is that of one row with the statistics held fixed.

    The running statistics start at 0 and 1, where the layer is the identity (up to eps); the first
    batch replaces them, later ones are averaged in with weight max(momentum, 1 / batches). A
    training batch of fewer than two rows has no variance: it uses the running statistics and
    leaves them. So does, for the update, a feature whose statistics are not finite. s is bounded
    smoothly by log 1000; s and t are learned and start at 0. Ignores context.

    Args:
        features: number of features D.
        momentum: least weight of a new batch in the running statistics, in (0, 1].
        eps: added to variances, so that a constant feature has a scale; positive.

    Shapes: x (*batch, D); all batch axes together are the rows.

    Raises:
        ValueError: a momentum outside (0, 1], or an eps that is not positive.
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803 (section 3.7); "Masked Autoregressive Flow for Density Estimation",
    Papamakarios, Pavlakou, Murray, 2017, arXiv:1705.07057 (appendix B).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.BatchNorm(1)
        >>> x, _ = layer.inverse(torch.tensor([[1.0], [3.0]]))
        >>> [round(v) for v in x.flatten().tolist()], layer.eval().mean
        ([-1, 1], tensor([2.]))
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, features: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__(features)
        if not 0 < momentum <= 1:
            raise ValueError(f"BatchNorm: momentum must lie in (0, 1], got {momentum}")
        if not eps > 0:
            raise ValueError(f"BatchNorm: eps must be positive, got {eps}")
        self.momentum = momentum
        self.eps = eps
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("batches", torch.tensor(0))
        self.shift = nn.Parameter(torch.zeros(features))
        self.log_scale = nn.Parameter(torch.zeros(features))

    def _affine(self) -> Affine:
        # copies: a later batch changes the buffers while a graph may still hold these
        return self._with(self.mean.clone(), self.variance.clone())

    def _with(self, mean: Tensor, variance: Tensor) -> Affine:
        return gained(mean, torch.sqrt(variance + self.eps), self.shift, self.log_scale)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        rows = y.reshape(-1, y.shape[-1])
        if not self.training or len(rows) < 2:
            return self._undo(y, self._affine())
        variance, mean = torch.var_mean(rows, dim=0, correction=0)
        self._update(mean.detach(), variance.detach() * (len(rows) / (len(rows) - 1)))
        return self._undo(y, self._with(mean, variance))

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        self.batches.add_(1)
        weight = self.batches.to(mean.dtype).reciprocal().clamp(min=self.momentum)
        finite = mean.isfinite() & variance.isfinite()
        for running, new in ((self.mean, mean), (self.variance, variance)):
            running.copy_(
                torch.where(finite, torch.lerp(running, new.to(running), weight), running)
            )
