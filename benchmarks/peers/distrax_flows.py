"""Distrax: masked couplings; the network is the user's, its last layer zero as in the example."""

from __future__ import annotations

import itertools
from typing import Any

import distrax
import jax
import jax.numpy as jnp
import torch

from peers.contestant import Architecture, Contestant, NotOffered
from peers.jax_contestant import JaxContestant

PACKAGE = "distrax"


def build(want: Architecture) -> Contestant:
    if want.kind.endswith("autoregressive"):
        raise NotOffered
    count = 2 if want.kind == "affine coupling" else 3 * want.bins + 1
    keys = jax.random.split(jax.random.key(torch.initial_seed()), want.layers)
    parameters = [_network(key, want, count) for key in keys]

    def bijector(parameters: Any) -> distrax.Chain:
        return distrax.Chain([_layer(p, want, count, i) for i, p in enumerate(parameters)])

    return JaxContestant(
        parameters,
        lambda p, x: bijector(p).inverse_and_log_det(x),
        lambda p, z: bijector(p).forward_and_log_det(z),
    )


def _layer(parameters: Any, want: Architecture, count: int, index: int) -> distrax.Bijector:
    def conditioner(x: jax.Array) -> jax.Array:
        for weight, bias in parameters[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        weight, bias = parameters[-1]
        return (x @ weight + bias).reshape(*x.shape[:-1], want.features, count)

    def inner(values: jax.Array) -> distrax.Bijector:
        if count == 2:
            return distrax.ScalarAffine(shift=values[..., 0], log_scale=values[..., 1])
        return distrax.RationalQuadraticSpline(
            values, -want.bound, want.bound, boundary_slopes="identity"
        )

    mask = jnp.arange(want.features) % 2 == index % 2
    return distrax.MaskedCoupling(mask, conditioner, inner)


def _network(key: jax.Array, want: Architecture, count: int) -> list[tuple[jax.Array, jax.Array]]:
    widths = [want.features, *want.hidden, want.features * count]
    layers = []
    for before, after in itertools.pairwise(widths):
        key, draw = jax.random.split(key)
        # Haiku's default: truncated normal with variance 1 / fan-in
        weight = jax.random.truncated_normal(draw, -2, 2, (before, after)) / before**0.5
        layers.append((weight, jnp.zeros(after)))
    layers[-1] = (jnp.zeros_like(layers[-1][0]), layers[-1][1])
    return layers
