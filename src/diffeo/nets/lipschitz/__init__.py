"""Networks whose Lipschitz constant is below one, with their Jacobians."""

from diffeo.nets.lipschitz.dense import LipschitzDense
from diffeo.nets.lipschitz.mlp import LipschitzMLP
from diffeo.nets.lipschitz.network import Linearized, LipschitzNet

__all__ = ["Linearized", "LipschitzDense", "LipschitzMLP", "LipschitzNet"]
