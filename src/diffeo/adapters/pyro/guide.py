"""A flow as a guide of Pyro."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import biject_to, constraints

from diffeo.adapters.pyro.latents import latent_sites, trace_middle
from diffeo.bases import StandardNormal
from diffeo.density import Density
from diffeo.errors import ShapeError, TargetError, import_extra
from diffeo.flow import Flow
from diffeo.models import NSF
from diffeo.supports import Real
from diffeo.transforms import Sequential, Triangular

__all__ = ["FlowGuide"]

_GUIDES: Any = import_extra("pyro.infer.autoguide", "pyro")
_DISTRIBUTION: Any = import_extra("pyro.distributions", "pyro").TorchDistribution

# draws that quantiles are taken of
DRAWS = 10_000


class FlowGuide(_GUIDES.AutoContinuous):  # type: ignore[misc]
    """A guide whose latent variables follow a flow together, on the reals of all sites.

    It is one of Pyro's automatic guides: for ``SVI`` with any of its losses, also with
    ``vectorize_particles``, ``Predictive``, ``AutoGuideList``. Sites map from the reals onto their
    supports by ``biject_to``. A draw and its log-density come from one pass of the flow, so flows
    that are slow to invert are not inverted.

    Every guide has a name of its own in Pyro's parameter store, so no two share parameters. To keep
    one, save ``guide.flow`` and give what ``diffeo.load`` returns to a new guide.

    Args:
        model: the model; continuous latent variables, plates without subsampling.
        flow: a density on the reals of the latent dimension, or a function that makes one from that
            dimension. By default a small neural spline flow under an affine map that starts at
            ``init_loc_fn``; a flow of your own starts where it is.
        init_loc_fn: one of Pyro's strategies to initialise sites.

    Attributes:
        flow: the flow; None until the guide is first called with the model's arguments.

    Raises:
        MissingExtraError: on import, if Pyro is not installed.
        TargetError: when first called: no latent variables, discrete ones, plates that subsample,
            or a flow that is none.
        ShapeError: when first called: a flow of another dimension, or not on all the reals.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770.

    Example:
        >>> import pyro, torch
        >>> from diffeo.adapters.pyro import FlowGuide
        >>> def model(y):
        ...     scale = pyro.sample("scale", pyro.distributions.HalfNormal(1.0))
        ...     with pyro.plate("rows", len(y)):
        ...         pyro.sample("y", pyro.distributions.Normal(0.0, scale), obs=y)
        >>> guide = FlowGuide(model)
        >>> svi = pyro.infer.SVI(
        ...     model, guide, pyro.optim.Adam({"lr": 1e-3}), pyro.infer.Trace_ELBO(num_particles=4)
        ... )
        >>> loss = svi.step(torch.ones(10))
    """

    _numbers = itertools.count()

    def __init__(
        self,
        model: Callable[..., Any],
        flow: Density | Callable[[int], Density] | None = None,
        *,
        init_loc_fn: Callable[..., Any] = _GUIDES.init_to_median,
    ) -> None:
        super().__init__(model, init_loc_fn=init_loc_fn)
        self._pyro_name = f"{type(self).__name__}_{next(self._numbers)}"
        self.flow = flow if isinstance(flow, Density) else None
        self._make = flow
        # in a tuple, so that a model that is a module does not become a part
        self._bare = (model,)

    def _setup_prototype(self, *args: Any, **kwargs: Any) -> None:
        latent_sites(trace_middle(self._bare[0], *args, **kwargs))
        super()._setup_prototype(*args, **kwargs)
        start = self._init_loc()
        if self.flow is None:
            made = _default(start) if self._make is None else self._make(self.latent_dim)
            if not isinstance(made, Density):
                raise TargetError(f"FlowGuide needs a flow, but its flow= made {made!r:.60}")
            self.flow = made.to(start)
        _check(self.flow, self.latent_dim)

    def get_posterior(self, *args: Any, **kwargs: Any) -> Any:
        """The flow as a distribution on the reals of all sites."""
        flow = self.flow
        if flow is None:
            raise TargetError("FlowGuide: call the guide with the model's arguments first")
        self._check_registered(flow)
        return _Posterior(flow)

    def _check_registered(self, flow: Density) -> None:
        """Raise if Pyro optimises other parameters under the names of the flow's."""
        store = import_extra("pyro", "pyro").get_param_store()
        if not self._pyro_context.active:
            return
        path = self._pyro_get_fullname("flow")
        for name, parameter in flow.named_parameters():
            key = f"{path}$$${name}"
            if key in store and store[key].unconstrained() is not parameter:
                raise TargetError(
                    f"Pyro's parameter store holds another tensor under {key!r}, of a copy of this "
                    f"guide or from a file, so this guide would not be trained: call "
                    f"pyro.clear_param_store(), and keep flows by guide.flow.save(path)"
                )

    @torch.no_grad()
    def quantiles(self, quantiles: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Quantiles of each latent variable by itself, of 10 000 draws.

        Args:
            quantiles: probabilities, a list or a tensor (n).

        Returns:
            For each site (n, *shape).
        """
        flow = self.get_posterior().flow
        draws = flow.sample(DRAWS)
        wanted = torch.as_tensor(quantiles, dtype=draws.dtype, device=draws.device)
        found: dict[str, list[Tensor]] = {}
        for latent in draws.quantile(wanted, dim=0):
            for site, z in self._unpack_latent(latent):
                found.setdefault(site["name"], []).append(biject_to(site["fn"].support)(z))
        return {name: torch.stack(values) for name, values in found.items()}

    def median(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """The median of each latent variable by itself, of 10 000 draws."""
        return {name: value[0] for name, value in self.quantiles([0.5]).items()}


def _default(start: Tensor) -> Flow:
    """A flow around a point (dim)."""
    dim = len(start)
    affine = Triangular(dim)
    with torch.no_grad():
        affine.shift.copy_(start)  # type: ignore[union-attr]
    splines = NSF(dim, layers=4, hidden=(64, 64)).transform
    return Flow(StandardNormal(dim), Sequential(splines, affine))


def _check(flow: Density, dim: int) -> None:
    if tuple(flow.event_shape) != (dim,) or flow.context:
        raise ShapeError(
            f"the model has {dim} latent reals, so its guide needs an unconditional flow on "
            f"({dim},), got one on {tuple(flow.event_shape)} with context {flow.context}"
        )
    if not isinstance(flow.support, Real):
        raise ShapeError(
            f"a guide needs a flow on all the reals, got one on {flow.support!r}: sites map onto "
            f"their supports by themselves"
        )


class _Posterior(_DISTRIBUTION):  # type: ignore[misc]
    """A flow that remembers the log-density of its last draw, which one pass gives with it."""

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012, the name is torch's
    support = constraints.real_vector

    def __init__(self, flow: Density, batch_shape: Any = ()) -> None:
        self.flow = flow
        self.has_rsample = flow.has_rsample
        self._drawn: tuple[Tensor, Tensor] | None = None
        super().__init__(torch.Size(batch_shape), torch.Size(flow.event_shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> _Posterior:
        return _Posterior(self.flow, batch_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        self._drawn = self.flow.rsample_and_log_prob((*sample_shape, *self.batch_shape))
        return self._drawn[0]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        draw: Tensor = self.flow.sample((*sample_shape, *self.batch_shape))
        return draw

    def log_prob(self, value: Tensor) -> Tensor:
        if self._drawn is not None and value is self._drawn[0]:
            return self._drawn[1]
        log_prob: Tensor = self.flow.log_prob(value)
        return log_prob
