"""Its own loop; a tenth of the rows is held out, as by default."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from flowjax.bijections import RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import coupling_flow
from flowjax.train import fit_to_data

X = jnp.asarray(np.load(sys.argv[1]))
flow = coupling_flow(
    jax.random.key(0),
    base_dist=Normal(jnp.zeros(8)),
    transformer=RationalQuadraticSpline(knots=8, interval=5),
    flow_layers=6,
    nn_width=128,
    nn_depth=2,
)
flow, losses = fit_to_data(
    jax.random.key(1),
    flow,
    X,
    learning_rate=1e-3,
    max_epochs=20,
    max_patience=20,
    batch_size=256,
    show_progress=False,
)
print(losses["train"][-1])
