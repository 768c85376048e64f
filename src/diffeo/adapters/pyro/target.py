"""Pyro models as targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import biject_to
from torch.utils import _pytree as pytree

from diffeo.adapters.pyro.latents import latent_sites, trace_middle
from diffeo.errors import ShapeError, TargetError, import_extra
from diffeo.inference import Target

__all__ = ["PyroTarget"]

_MESSENGER: Any = import_extra("pyro.poutine.messenger", "pyro").Messenger


class PyroTarget(Target):
    """The joint density of a Pyro model at its data, on the reals.

    Each latent site is mapped from the reals onto its support by ``biject_to``, also where the
    support depends on other sites. A batch is evaluated by ``torch.func.vmap`` where the model
    allows it, which is tried on two points at construction, and else point by point: about as many
    times slower as there are points.

    Args:
        model: the model. Its learnable parameters keep their present values.
        args, kwargs: of the model, with the data. Their dtype decides that of the points.

    Attributes:
        shapes: of the latent sites, and after them of the deterministic ones.
        batched: whether ``vmap`` does it.

    Raises:
        MissingExtraError: on import, if Pyro is not installed.
        TargetError: no latent sites, discrete ones, or plates that subsample.

    Reference: "Pyro: Deep Universal Probabilistic Programming", Bingham et al., 2018,
    arXiv:1810.09538.

    Example:
        >>> import pyro, torch
        >>> from diffeo.adapters.pyro import PyroTarget
        >>> def model(y):
        ...     scale = pyro.sample("scale", pyro.distributions.HalfNormal(1.0))
        ...     with pyro.plate("rows", len(y)):
        ...         pyro.sample("y", pyro.distributions.Normal(0.0, scale), obs=y)
        >>> target = PyroTarget(model, torch.ones(10))
        >>> target.constrain(torch.zeros(3, 1))
        {'scale': tensor([1., 1., 1.])}
    """

    def __init__(self, model: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if not callable(model):
            raise TargetError(f"PyroTarget takes a Pyro model, got {model!r:.60}")
        self.model, self._args, self._kwargs = model, args, kwargs
        trace = trace_middle(model, *args, **kwargs)
        start = {
            name: biject_to(site["fn"].support).inv(site["value"].detach())
            for name, site in latent_sites(trace).items()
        }
        self._sizes = {name: value.shape for name, value in start.items()}
        point = torch.cat([value.reshape(-1) for value in start.values()])
        super().__init__(len(point), point.dtype)
        known = [name for name, s in trace.nodes.items() if _deterministic(s)]
        self.shapes = {name: tuple(trace.nodes[name]["value"].shape) for name in (*start, *known)}
        self.batched = self._can_be_batched(point)

    def _can_be_batched(self, point: Tensor) -> bool:
        rows = torch.stack([point, point + 0.1])
        slow = _row_by_row(self._run, rows)
        try:
            fast = torch.func.vmap(self._run)(rows)
        except Exception:  # whatever vmap cannot do: the model itself has just run
            return False
        pairs = zip(pytree.tree_leaves(fast), pytree.tree_leaves(slow), strict=True)
        return all(a.shape == b.shape and torch.allclose(a, b, equal_nan=True) for a, b in pairs)

    def _run(self, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Log-density and named values of one point (dim)."""
        pyro = import_extra("pyro", "pyro")
        parts = z.split([size.numel() for size in self._sizes.values()])
        sites = zip(self._sizes.items(), parts, strict=True)
        handler = _At({name: part.reshape(shape) for (name, shape), part in sites})
        # values that round onto a bound are no error here, and vmap cannot look at them
        with pyro.validation_enabled(False):
            trace = pyro.poutine.trace(handler(self.model)).get_trace(*self._args, **self._kwargs)
            log_prob = trace.log_prob_sum() + sum(handler.ladjs)
        return log_prob, {name: trace.nodes[name]["value"] for name in self.shapes}

    def _run_all(self, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        result: tuple[Tensor, dict[str, Tensor]]
        result = torch.func.vmap(self._run)(z) if self.batched else _row_by_row(self._run, z)
        return result

    def _log_prob(self, z: Tensor) -> Tensor:
        return self._run_all(z)[0]

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        if z.ndim < 1 or z.shape[-1] != self.dim:
            raise ShapeError(f"the target takes points (*batch, {self.dim}), got {tuple(z.shape)}")
        named = self._run_all(z.reshape(-1, self.dim))[1]
        return {name: v.reshape((*z.shape[:-1], *v.shape[1:])) for name, v in named.items()}


class _At(_MESSENGER):  # type: ignore[misc]
    """Runs a model at given reals of its latent sites."""

    def __init__(self, reals: dict[str, Tensor]) -> None:
        super().__init__()
        self.reals = reals
        self.ladjs: list[Tensor] = []

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] not in self.reals:
            return
        transform, z = biject_to(msg["fn"].support), self.reals[msg["name"]]
        msg["value"], msg["done"] = transform(z), True
        self.ladjs.append(transform.log_abs_det_jacobian(z, msg["value"]).sum())


def _row_by_row(function: Callable[[Tensor], Any], z: Tensor) -> Any:
    """What ``vmap`` of a function gives, in a loop."""
    rows = [pytree.tree_flatten(function(row)) for row in z]
    columns = zip(*(leaves for leaves, _ in rows), strict=True)
    return pytree.tree_unflatten([torch.stack(column) for column in columns], rows[0][1])


def _deterministic(site: Any) -> bool:
    return site["type"] == "sample" and bool(site["infer"].get("_deterministic"))
