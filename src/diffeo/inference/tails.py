"""Whether a log-density falls off, as that of a proper posterior must."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.errors import TargetError
from diffeo.inference.gaussian import Gaussian
from diffeo.inference.target import Target

__all__ = ["check_tails"]

# standard deviations from the middle
NEAR, FAR = 1e2, 1e4


def check_tails(target: Target, frame: Gaussian) -> None:
    """Raise where the density falls off too slowly to have an integral.

    Along each coordinate and each axis of the frame, both ways, d log p / d log t between 100 and
    10,000 standard deviations t must be below -1 (a Cauchy's is -2).

    Raises:
        TargetError: naming the parameter that changes most in that direction.
    """
    sd = frame.covariance.diagonal().sqrt()
    axes = torch.cat([torch.diag(sd), frame.scale_tril.mT])
    axes = torch.cat([axes, -axes])
    ends = torch.stack([frame.mean + NEAR * axes, frame.mean + FAR * axes]).to(target.dtype)
    with torch.no_grad():
        values = target.log_prob(ends.flatten(0, 1)).double().reshape(2, -1)
    slope = (values[1] - values[0]) / math.log(FAR / NEAR)
    # -inf at both ends makes NaN, which is no slope
    flat = slope.nan_to_num(nan=-torch.inf) > -1 + 1e-3
    if bool(flat.any()):
        worst = int(slope.where(flat, -torch.inf).argmax())
        name = _changed(target, frame.mean, frame.mean + NEAR * axes[worst])
        raise TargetError(
            f"the posterior is improper: log_prob does not fall off as {name} moves away "
            f"(it changes by {float(values[1, worst] - values[0, worst]):.3g} between 100 and "
            f"10,000 standard deviations), so it has no finite integral and the ELBO would grow "
            f"without bound; give it a proper prior"
        )


def _changed(target: Target, here: Tensor, there: Tensor) -> str:
    """The name of the value that changes most, for its size."""
    values = target.constrain(torch.stack([here, there]).to(target.dtype))
    changes = {
        name: float(((v[1] - v[0]).abs() / (1e-300 + v[0].abs() + 1)).nan_to_num(nan=1e300).max())
        for name, v in values.items()
    }
    return max(changes, key=lambda name: changes[name])
