"""Whether encoder, posterior, decoder and prior of a VAE fit together, found by trying them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.inference.vae.likelihoods import Likelihood
from diffeo.supports import Real

__all__ = ["event_shape_of"]


def event_shape_of(
    name: str,
    encoder: nn.Module,
    flow: Density,
    decoder: nn.Module,
    likelihood: Likelihood,
    prior: Density,
) -> tuple[int, ...]:
    """The shape of one event of data, which the decoder's output tells.

    Raises:
        ShapeError: parts that do not fit together; both are named.
        ValueError: a posterior or a prior that no ELBO can be made of.
    """
    _check_densities(name, flow, prior)
    z = flow.like.new_zeros(1, *flow.event_shape)
    params = _output(
        name, decoder, z, f"the decoder cannot read latents of shape {flow.event_shape}"
    )
    count, first = likelihood.num_params, params.shape[1] if params.ndim > 1 else 0
    if len(params) != 1 or first < 1 or first % count:
        raise ShapeError(
            f"{name}: {type(likelihood).__name__} takes {count} numbers for each element of the "
            f"data, so the decoder must give (rows, {count} * C, ...) for data of shape (C, ...), "
            f"but for one row it gives {tuple(params.shape)}"
        )
    shape = (first // count, *params.shape[2:])
    x = likelihood.scaled(likelihood.support.interior(z).expand(1, *shape))
    said = f"the decoder gives data of shape {shape}, which the encoder cannot read"
    code = _output(name, encoder, x, said)
    if code.shape != (1, flow.context):
        raise ShapeError(
            f"{name}: the flow reads a context of width {flow.context}, but the encoder gives "
            f"{tuple(code.shape)} for one row of data of shape {shape}; it must be "
            f"(1, {flow.context})"
        )
    return shape


def _check_densities(name: str, flow: Density, prior: Density) -> None:
    if not flow.context:
        raise ShapeError(
            f"{name}: its flow is the posterior q(z | x), but this {type(flow).__name__} reads no "
            f"context; build it with context=<width of the encoder's output>"
        )
    if not flow.has_rsample or flow.exactness == "bound":
        raise ValueError(
            f"{name}: the posterior needs samples with gradients and their log-densities, which "
            f"{type(flow).__name__} does not have"
        )
    if prior.exactness == "bound" or prior.context:
        raise ValueError(
            f"{name}: the prior must be a density of z alone, with no context, whose log_prob is "
            f"no bound; got {type(prior).__name__} with context={prior.context}"
        )
    if prior.event_shape != flow.event_shape:
        raise ShapeError(
            f"{name}: the flow has latents of shape {flow.event_shape}, the prior of "
            f"{prior.event_shape}"
        )
    if prior.support != flow.support and not isinstance(prior.support, Real):
        raise ValueError(
            f"{name}: the flow lives on {flow.support!r}, the prior on {prior.support!r}; "
            f"give the flow supports= of the prior"
        )


def _output(name: str, network: nn.Module, x: Tensor, otherwise: str) -> Tensor:
    """What a network gives for ``x``; it and torch's random state stay as they are."""
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            out = network(x.to(_dtype(network, x)))
    except Exception as error:
        # a user's network may fail in any way
        raise ShapeError(f"{name}: {otherwise}: {type(error).__name__}: {error}") from error
    finally:
        for module, was in training.items():
            module.training = was
    if not isinstance(out, Tensor):
        raise ShapeError(f"{name}: {otherwise}: it gives a {type(out).__name__}, not a tensor")
    return out


def _dtype(network: nn.Module, x: Tensor) -> torch.dtype:
    """That of the network's weights: a file's flow is built before it gets the file's dtype."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), x.dtype)
