"""Autoregressive transforms of sequences of tokens, conditioned by a causal transformer."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_count
from diffeo.nets.attention import KeyValueCache
from diffeo.nets.layers import compress
from diffeo.nets.transformer import CausalTransformer
from diffeo.supports import Circle
from diffeo.transform import Transform
from diffeo.transforms.autoregressive import _only_values
from diffeo.transforms.token_sampling import Move, by_windows, one_by_one
from diffeo.univariates import Affine
from diffeo.univariates.univariate import Univariate
from diffeo.errors import ShapeError

__all__ = ["TransformerAutoregressive"]
