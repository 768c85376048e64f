"""Latent flows of discrete sequences."""

from diffeo.sequences.latent.model import LatentSequenceFlow
from diffeo.sequences.latent.prior import recurrent_prior
from diffeo.sequences.latent.recurrence import RecurrentTransform

__all__ = ["LatentSequenceFlow", "RecurrentTransform", "recurrent_prior"]
