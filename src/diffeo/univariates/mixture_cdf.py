"""Distribution functions of mixtures, put back on the reals."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from diffeo.roots import invert_increasing
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.constants import constants
from diffeo.univariates.mixed import Mix, mixed_logistic, mixed_normal, spread
from diffeo.univariates.univariate import Univariate

__all__ = ["MixtureOfGaussians", "MixtureOfLogistics"]

# of locations and weights: learned directly, in small steps, they would lag behind the scales
GAIN = 4.0


class _MixtureCDF(Univariate):
    """Q(sum_k w_k F((x - m_k) / s_k)), where Q is the inverse of F."""

    def __init__(
        self,
        mix: Mix,
        locations: tuple[float, ...],
        log_weights: tuple[float, ...],
        log_scale: float,
        extra: int = 0,
    ) -> None:
        self._mix = mix
        self.components = len(locations)
        self._locations, self._log_weights, self._log_scale = locations, log_weights, log_scale
        self.num_params = 3 * self.components + extra

    def _units(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """m_k, log s_k and log w_k, (components, ...)."""
        count = 3 * self.components
        location, log_scale, weight = params[:count].unflatten(0, (3, self.components))
        return (
            GAIN * location + constants(self._locations, location),
            soft_bound(log_scale + self._log_scale),
            torch.log_softmax(GAIN * weight + constants(self._log_weights, weight), 0),
        )

    def _mixed(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale, log_weight = self._units(params)
        z = (x - location) * torch.exp(-log_scale)
        return self._mix(log_weight, z, -log_scale)

    def _unmixed(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        # y lies between the extreme (x - m_k) / s_k
        location, log_scale, _ = self._units(params.detach())
        each = location + log_scale.exp() * y.detach()
        name = type(self).__name__
        return invert_increasing(
            lambda x: self._mixed(x, params), y, each.amin(0), each.amax(0), name
        )


class MixtureOfLogistics(_MixtureCDF):
    """An affine map of the distribution function of a mixture of logistics, put back on the reals:

        y = exp(s) logit(sum_k w_k sigmoid((x - m_k) / s_k)) + t.

    A thousandth of sum_k w_k (x - m_k) / s_k is mixed into the logit, so that the slope does not
    vanish between components far apart. All is computed in the log domain. The inverse is
    numerical; as the logit lies between the extreme (x - m_k) / s_k, its bracket is exact.

    Parameters: ``components`` shifts of m over 4, ``components`` logs of s, and ``components`` logs
    of w over 4, before their constraints; then t and s. All zero, the components are evenly
    spread and the map is only near the identity: components that start alike take long to part.

    Args:
        components: number of components, at least 1.

    Raises:
        ValueError: no components.

    Reference: "Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
    Architecture Design", Ho, Chen, Srinivas, Duan, Abbeel, 2019, arXiv:1902.00275.

    Example:
        >>> import diffeo
        >>> diffeo.univariates.MixtureOfLogistics(components=8).num_params
        26
    """

    def __init__(self, components: int = 8) -> None:
        _check(components)
        # two at the ends, -2 and 2, have more variance than a logistic
        reach = 1 if components == 2 else 2
        locations = tuple(reach * c for c in spread(components))
        variance = sum(c * c for c in locations) / components
        # with which the mixture has the variance of one standard logistic
        log_scale = math.log1p(-3 * variance / math.pi**2) / 2
        super().__init__(mixed_logistic, locations, (0.0,) * components, log_scale, extra=2)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = self._mixed(x, params)
        log_scale = soft_bound(params[-1])
        return y * log_scale.exp() + params[-2], log_slope + log_scale

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = soft_bound(params[-1])
        x, log_slope = self._unmixed((y - params[-2]) * torch.exp(-log_scale), params)
        return x, log_slope - log_scale


class MixtureOfGaussians(_MixtureCDF):
    """The map that turns a mixture of normals into a standard normal, as Gaussianization uses it:

        y = Phi^-1(sum_k w_k Phi((x - m_k) / s_k)).

    A thousandth of sum_k w_k (x - m_k) / s_k is mixed in, so that the slope does not vanish between
    components far apart. All is computed in the log domain, far into both tails. The inverse is
    numerical; as y lies between the extreme (x - m_k) / s_k, its bracket is exact.

    Parameters: ``components`` shifts of m over 4, ``components`` logs of s, and ``components`` logs
    of w over 4, before their constraints. All zero, the components are spread so that their
    mixture is all but a standard normal, and the map near the identity.

    Args:
        components: number of components, at least 1.

    Raises:
        ValueError: no components.

    Reference: "Gaussianization", Chen, Gopinath, 2000, Advances in Neural Information Processing
    Systems 13; "Gaussianization Flows", Meng, Song, Song, Ermon, 2020, arXiv:2003.01941.

    Example:
        >>> import torch, diffeo
        >>> mog = diffeo.univariates.MixtureOfGaussians(components=8)
        >>> y, ladj = mog.forward(torch.tensor([-2.0, 2.0]), torch.zeros(24, 2))
        >>> bool((y - torch.tensor([-2.0, 2.0])).abs().max() < 1e-3)
        True
    """

    def __init__(self, components: int = 8) -> None:
        _check(components)
        # narrower normals at the nodes of a Gauss rule for the normal that makes up their variance
        nodes, weights = np.polynomial.hermite_e.hermegauss(components)
        # few nodes reproduce only a narrow one, and a wide one makes the leak felt
        variance = min(0.2, (components - 1) ** 2 / ((components - 1) ** 2 + 90))
        super().__init__(
            mixed_normal,
            tuple((math.sqrt(variance) * nodes).tolist()),
            tuple(np.log(weights / weights.sum()).tolist()),
            math.log1p(-variance) / 2,
        )

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._mixed(x, params)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._unmixed(y, params)


def _check(components: int) -> None:
    if components < 1:
        raise ValueError(f"a mixture needs at least one component, got {components}")
