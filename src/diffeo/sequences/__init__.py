"""Sequences of discrete steps: flows of their latents, music and text."""

from diffeo import storage
from diffeo.sequences.latent import LatentSequenceFlow, RecurrentTransform

__all__ = ["LatentSequenceFlow"]

storage.register(LatentSequenceFlow, RecurrentTransform)
