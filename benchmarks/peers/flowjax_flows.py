"""FlowJAX: a bijection's forward runs from base to data."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
import torch
from flowjax.bijections import RationalQuadraticSpline
from flowjax.distributions import Normal, Transformed
from flowjax.flows import coupling_flow, masked_autoregressive_flow, planar_flow

from peers.contestant import Architecture, Contestant
from peers.jax_contestant import JaxContestant

PACKAGE = "flowjax"


def build(want: Architecture) -> Contestant:
    make = masked_autoregressive_flow if want.kind.endswith("autoregressive") else coupling_flow
    spline = RationalQuadraticSpline(knots=want.bins, interval=want.bound)
    flow = make(
        jax.random.key(torch.initial_seed()),
        base_dist=Normal(jnp.zeros(want.features)),
        transformer=spline if want.kind.startswith("RQ") else None,
        flow_layers=want.layers,
        nn_width=want.hidden[0],
        nn_depth=len(want.hidden),
    )
    return _contestant(flow)


def planar(want: Architecture) -> Contestant:
    return _contestant(
        planar_flow(
            jax.random.key(torch.initial_seed()),
            base_dist=Normal(jnp.zeros(want.features)),
            flow_layers=want.layers,
            invert=False,  # fast from base to data
        )
    )


def _contestant(flow: Transformed) -> Contestant:
    parameters, rest = eqx.partition(
        flow.bijection,
        eqx.is_inexact_array,
        is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable),
    )

    def bijection(parameters: Any) -> Any:
        return paramax.unwrap(eqx.combine(parameters, rest))

    return JaxContestant(
        parameters,
        lambda p, x: jax.vmap(bijection(p).inverse_and_log_det)(x),
        lambda p, z: jax.vmap(bijection(p).transform_and_log_det)(z),
    )
