"""What a JAX contestant is asked to do: compiled functions of parameters and rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from peers.contestant import log_normal
from peers.jax_contestant import JaxContestant

from timing.cases import Work
from timing.target import energy

__all__ = ["jax_step"]

LEARNING_RATE = 1e-4
BATCHES = 16


def jax_step(flow: JaxContestant, work: Work, features: int) -> Callable[[], None]:
    """The work as a function that returns when it is done."""
    keys = jax.random.split(jax.random.key(work.rows), BATCHES)
    batches = itertools.cycle([jax.random.normal(key, (work.rows, features)) for key in keys])
    make = _updates if work.step in ("train", "reverse KL") else _evaluations
    return make(flow, work, batches)


def _updates(flow: JaxContestant, work: Work, batches: Any) -> Callable[[], None]:
    optimizer = optax.adam(LEARNING_RATE)
    state = optimizer.init(flow.parameters)

    def likelihood(parameters: Any, x: jax.Array) -> jax.Array:
        z, ladj = flow.base_map(parameters, x)
        return -(log_normal(z) + ladj).mean()

    def reverse_kl(parameters: Any, z: jax.Array) -> jax.Array:
        x, ladj = flow.data_map(parameters, z)
        return (log_normal(z) - ladj + energy(x, jnp)).mean()

    loss = likelihood if work.step == "train" else reverse_kl

    @jax.jit
    def update(parameters: Any, state: Any, x: jax.Array) -> tuple[Any, Any]:
        gradients = jax.grad(loss)(parameters, x)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    def step() -> None:
        nonlocal state
        flow.parameters, state = update(flow.parameters, state, next(batches))
        jax.block_until_ready((flow.parameters, state))

    return step


def _evaluations(flow: JaxContestant, work: Work, batches: Any) -> Callable[[], None]:
    @jax.jit
    def log_prob(parameters: Any, x: jax.Array) -> jax.Array:
        z, ladj = flow.base_map(parameters, x)
        return log_normal(z) + ladj

    @jax.jit
    def sample(parameters: Any, z: jax.Array) -> jax.Array:
        return flow.data_map(parameters, z)[0]

    function = log_prob if work.step == "log_prob" else sample
    return lambda: jax.block_until_ready(function(flow.parameters, next(batches)))
