"""The four two-dimensional potentials of the paper that founded variational flows."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffeo.inference.target import Target

__all__ = ["POTENTIALS", "Potential"]

# half the interval of z1 in which U2 to U4, which repeat for ever along z1, are densities
HALF = 4.0


def _u1(z: Tensor) -> Tensor:
    radius = torch.linalg.vector_norm(z, dim=-1)
    ring = ((radius - 2) / 0.4).square() / 2
    return ring - torch.logaddexp(_bell(z[..., 0] - 2, 0.6), _bell(z[..., 0] + 2, 0.6))


def _u2(z: Tensor) -> Tensor:
    return -_bell(_above_wave(z), 0.4)


def _u3(z: Tensor) -> Tensor:
    above = _above_wave(z)
    drop = 3 * _bell(z[..., 0] - 1, 0.6).exp()
    return -torch.logaddexp(_bell(above, 0.35), _bell(above + drop, 0.35))


def _u4(z: Tensor) -> Tensor:
    above = _above_wave(z)
    drop = 3 * torch.sigmoid((z[..., 0] - 1) / 0.3)
    return -torch.logaddexp(_bell(above, 0.4), _bell(above + drop, 0.35))


def _bell(x: Tensor, scale: float) -> Tensor:
    return -(x / scale).square() / 2


def _above_wave(z: Tensor) -> Tensor:
    """z2 - w1(z1)."""
    return z[..., 1] - torch.sin(math.pi * z[..., 0] / 2)


def _log_stripes(*scales: float) -> float:
    """log of the interval's length times the areas of bells, wherever they are along z2."""
    return math.log(2 * HALF * math.sqrt(2 * math.pi) * sum(scales))


# energy and log Z; that of U1 has no closed form, its digits are those of a quadrature
_ENERGIES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "U1": (_u1, 1.877501626109783),
    "U2": (_u2, _log_stripes(0.4)),
    "U3": (_u3, _log_stripes(0.35, 0.35)),
    "U4": (_u4, _log_stripes(0.4, 0.35)),
}
POTENTIALS = tuple(_ENERGIES)


class Potential(Target):
    """One of the densities exp(-U(z)) / Z on the plane, in coordinates x that are all of R^2.

    With w1 = sin(2 pi z1 / 4), w2 = 3 exp(-((z1 - 1) / 0.6)^2 / 2), w3 = 3 sigmoid((z1 - 1) / 0.3):

        U1 = ((|z| - 2) / 0.4)^2 / 2
             - log(exp(-((z1 - 2) / 0.6)^2 / 2) + exp(-((z1 + 2) / 0.6)^2 / 2))
        U2 = ((z2 - w1) / 0.4)^2 / 2
        U3 = -log(exp(-((z2 - w1) / 0.35)^2 / 2) + exp(-((z2 - w1 + w2) / 0.35)^2 / 2))
        U4 = -log(exp(-((z2 - w1) / 0.4)^2 / 2) + exp(-((z2 - w1 + w3) / 0.35)^2 / 2))

    U2, U3 and U4 have no end along z1, and exp(-U) no finite integral. They are taken on
    z1 in (-4, 4), and z1 = 4 (2 Phi(x1) - 1), z2 = x2, with Phi the standard normal's CDF, whose
    log-determinant is part of ``log_prob``. For U1, z = x.

    Args:
        name: "U1", "U2", "U3" or "U4".
        dtype: of the points; None for torch's default.

    Attributes:
        name: as given.
        log_normalizer: log Z, so that KL(q || p) = log Z + E_q[log q(x) - log_prob(x)].

    Raises:
        ValueError: another name.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770, table 1.

    Example:
        >>> import torch
        >>> from diffeo.inference.potentials import Potential
        >>> potential = Potential("U2")
        >>> potential.log_prob(torch.zeros(1, 2)) - potential.log_normalizer
        tensor([-0.9216])
    """

    def __init__(self, name: str, dtype: torch.dtype | None = None) -> None:
        if name not in _ENERGIES:
            raise ValueError(f"name must be one of {', '.join(POTENTIALS)}, got {name!r}")
        super().__init__(2, dtype or torch.get_default_dtype())
        self.name = name
        self.shapes = {"z": (2,)}
        self._energy, self.log_normalizer = _ENERGIES[name]

    def energy(self, z: Tensor) -> Tensor:
        """U (*batch) at points z (*batch, 2) of the plane."""
        return self._energy(z)

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        return {"z": self.to_plane(z)[0]}

    def to_plane(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z (*batch, 2) and log |det dz/dx| (*batch) at x (*batch, 2)."""
        if self.name == "U1":
            return x, torch.zeros_like(x[..., 0])
        first, second = x.unbind(-1)
        z = torch.stack([HALF * torch.erf(first / math.sqrt(2)), second], dim=-1)
        return z, math.log(2 * HALF) - first.square() / 2 - math.log(2 * math.pi) / 2

    def from_plane(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x (*batch, 2) and log |det dx/dz| (*batch) at z (*batch, 2), |z1| < 4 but for U1."""
        if self.name == "U1":
            return self.to_plane(z)
        first, second = z.unbind(-1)
        x = torch.stack([math.sqrt(2) * torch.erfinv(first / HALF), second], dim=-1)
        return x, -self.to_plane(x)[1]

    def _log_prob(self, z: Tensor) -> Tensor:
        plane, ladj = self.to_plane(z)
        return ladj - self._energy(plane)
