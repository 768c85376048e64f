"""Posteriors q(z | h) of the named families, with all they can take from the context h."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch

from diffeo.bases import DiagonalNormal
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.flow import Flow
from diffeo.models import IAF, NSF, PlanarFlow, RadialFlow, RealNVP, SylvesterFlow

__all__ = ["Family", "amortised_posterior"]

Family = Literal["gaussian", "iaf", "planar", "radial", "realnvp", "spline", "sylvester"]

_MODELS: dict[str, type[Flow]] = {
    "iaf": IAF,
    "planar": PlanarFlow,
    "radial": RadialFlow,
    "realnvp": RealNVP,
    "spline": NSF,
    "sylvester": SylvesterFlow,
}


def amortised_posterior(
    family: Family,
    latent: int,
    *,
    context: int,
    hidden: Sequence[int] = (128, 128),
    seed: int | None = None,
    **options: Any,
) -> Density:
    """A diagonal normal whose means and scales are predicted from context, and layers of a family.

    Planar, radial and Sylvester layers have all their parameters predicted from context. The
    networks of IAF, RealNVP and spline layers read it beside z; the linear maps between spline
    layers are the same for every context.

    Args:
        family: "gaussian" (no layers), "planar", "radial", "sylvester", "iaf", "realnvp" or
            "spline".
        latent: number of features of z.
        context: width of the context, which is what an encoder gives.
        hidden: hidden widths of each network that reads the context.
        seed: seed of the initial weights; None draws from torch's global generator.
        **options: of the model: ``layers=``, ``rank=`` (Sylvester), ``bins=`` (spline), ...

    Returns:
        A density of ``latent`` features given the context: a flow, or the normal itself.

    Raises:
        ShapeError: no features or no context.
        ValueError: an unknown family, or options that it does not have.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770; "Improved Variational Inference with Inverse Autoregressive Flow", Kingma,
    Salimans, Jozefowicz, Chen, Sutskever, Welling, 2016, arXiv:1606.04934; "Sylvester Normalizing
    Flows for Variational Inference", van den Berg, Hasenclever, Tomczak, Welling, 2018,
    arXiv:1803.05649.

    Example:
        >>> import torch
        >>> from diffeo.inference.vae import amortised_posterior
        >>> posterior = amortised_posterior("iaf", 8, context=32, layers=2)
        >>> posterior.sample(5, torch.zeros(3, 32)).shape
        torch.Size([5, 3, 8])
    """
    if family not in get_args(Family):
        raise ValueError(
            f"amortised_posterior: family must be one of {get_args(Family)}, got {family!r}"
        )
    check_features("amortised_posterior", latent)
    if context < 1:
        raise ShapeError(
            f"amortised_posterior: context must be the width of the encoder's output, "
            f"at least 1, got {context}"
        )
    # a seed must not disturb the caller's random state
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        normal = DiagonalNormal(latent, context=context, hidden=hidden)
        if family == "gaussian":
            if options:
                raise ValueError(f"a gaussian posterior has no {', '.join(sorted(options))}")
            return normal
        model: Any = _MODELS[family]
        try:
            posterior: Density = model(
                latent, context=context, hidden=hidden, base=normal, **options
            )
        except TypeError as error:
            raise ValueError(f"amortised_posterior({family!r}): {error}") from error
        return posterior
