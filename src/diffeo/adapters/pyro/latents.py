"""The latent variables of a Pyro model."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributions import biject_to

from diffeo.adapters.compiled import refuse_discrete
from diffeo.errors import TargetError, import_extra

__all__ = ["latent_sites", "trace_middle"]


_MESSENGER: Any = import_extra("pyro.poutine.messenger", "pyro").Messenger


class _Middle(_MESSENGER):  # type: ignore[misc]
    """Runs a model with its latent sites in the middle of their supports."""

    def _pyro_sample(self, msg: Any) -> None:
        fn = msg["fn"]
        if msg["is_observed"] or _is_subsample(msg) or fn.support.is_discrete:
            return
        try:
            like = fn.sample()
        except NotImplementedError:  # an improper prior
            like = torch.zeros(fn.shape())
        transform = biject_to(fn.support)
        msg["value"] = transform(torch.zeros_like(transform.inv(like)))


def trace_middle(model: Any, *args: Any, **kwargs: Any) -> Any:
    """A trace of a model with its latent sites in the middle of their supports.

    Priors need not be proper for that, nor give values at which the likelihood is finite.
    """
    poutine = import_extra("pyro.poutine", "pyro")
    with poutine.block(), torch.random.fork_rng(devices=[]), torch.no_grad():
        return poutine.trace(_Middle()(model)).get_trace(*args, **kwargs)


def _is_subsample(site: Any) -> bool:
    return bool(import_extra("pyro.poutine.util", "pyro").site_is_subsample(site))


def latent_sites(trace: Any) -> dict[str, Any]:
    """The latent sites in a trace of a model, in its order.

    Raises:
        TargetError: no latent sites, discrete ones, or plates that subsample.
    """
    sites = {name: s for name, s in trace.nodes.items() if s["type"] == "sample"}
    for name, site in sites.items():
        _refuse_subsampling(name, site)
    latent = {
        name: site
        for name, site in sites.items()
        if not site["is_observed"] and not _is_subsample(site)
    }
    refuse_discrete("Pyro", [name for name in latent if latent[name]["fn"].support.is_discrete])
    if not any(site["value"].numel() for site in latent.values()):
        raise TargetError("the Pyro model has no latent variables: nothing is to be inferred")
    return latent


def _refuse_subsampling(name: str, site: Any) -> None:
    for frame in site["cond_indep_stack"]:
        if getattr(frame, "full_size", None) not in (None, frame.size):
            raise TargetError(
                f"plate {frame.name!r} around {name!r} subsamples {frame.size} of "
                f"{frame.full_size}: make it a plate of all rows"
            )
