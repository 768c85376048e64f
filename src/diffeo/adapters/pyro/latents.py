"""The latent variables of a Pyro model."""

from __future__ import annotations

from typing import Any

from diffeo.adapters.compiled import refuse_discrete
from diffeo.errors import TargetError, import_extra

__all__ = ["feasible", "latent_sites"]


def feasible(model: Any) -> Any:
    """A model whose latent sites are drawn near the middle of their supports.

    Priors need not be proper for that, nor give values at which the likelihood is finite.
    """
    initialization = import_extra("pyro.infer.autoguide.initialization", "pyro")
    return initialization.InitMessenger(initialization.init_to_feasible)(model)


def latent_sites(trace: Any) -> dict[str, Any]:
    """The latent sites in a trace of a model, in its order.

    Raises:
        TargetError: no latent sites, discrete ones, or plates that subsample.
    """
    is_subsample = import_extra("pyro.poutine.util", "pyro").site_is_subsample
    sites = {name: s for name, s in trace.nodes.items() if s["type"] == "sample"}
    for name, site in sites.items():
        _refuse_subsampling(name, site)
    latent = {
        name: site
        for name, site in sites.items()
        if not site["is_observed"] and not is_subsample(site)
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
