"""A density as a distribution of Pyro."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import constraints

from diffeo.density import Density
from diffeo.distribution import DensityDistribution
from diffeo.errors import import_extra
from diffeo.supports import Real

__all__ = ["FlowDistribution"]

_MIXIN: Any = import_extra("pyro.distributions.torch_distribution", "pyro").TorchDistributionMixin


class FlowDistribution(DensityDistribution, _MIXIN):  # type: ignore[misc]
    """A flow, or any other density, at one context, for ``pyro.sample``.

    Pyro optimises the parameters that it was told of: call ``pyro.module("flow", flow)`` in the
    model, or make the flow an attribute of the model if that is a ``PyroModule``. As a latent
    variable it needs a flow on all the reals, unless the guide is written by hand.

    Args:
        flow: the density.
        context: (*context_batch, context), or None for an unconditional one.

    Shapes: batch_shape is ``context_batch`` (() without context), event_shape the density's.

    Raises:
        MissingExtraError: on import, if Pyro is not installed.
        ContextError: a missing context, or one of another width.

    Reference: "Pyro: Deep Universal Probabilistic Programming", Bingham et al., 2018,
    arXiv:1810.09538.

    Example:
        >>> import diffeo, pyro, torch
        >>> from diffeo.adapters.pyro import FlowDistribution
        >>> flow = diffeo.NSF(features=2, seed=0)
        >>> def model(data):
        ...     pyro.module("flow", flow)
        ...     with pyro.plate("rows", len(data)):
        ...         pyro.sample("x", FlowDistribution(flow), obs=data)
        >>> trace = pyro.poutine.trace(model).get_trace(torch.zeros(10, 2))
        >>> trace.nodes["x"]["fn"].log_prob(torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    expand = _MIXIN.expand

    def __init__(self, flow: Density, context: Tensor | None = None) -> None:
        super().__init__(flow, context)

    @property
    def support(self) -> constraints.Constraint:
        if isinstance(self.density.support, Real):
            # which guides and samplers know how to map to
            return constraints.independent(constraints.real, len(self.event_shape))
        return super().support
