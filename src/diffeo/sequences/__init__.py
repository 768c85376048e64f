"""Sequences of discrete steps: flows of their latents, music and text."""

from diffeo import storage
from diffeo.sequences.latent import LatentSequenceFlow, RecurrentTransform
from diffeo.sequences.symbols import (
    SymbolData,
    bits_per_symbol,
    fit_symbols,
    fit_voices,
)
from diffeo.sequences.text import fit_text, generate, infill, load_text

__all__ = [
    "LatentSequenceFlow",
    "SymbolData",
    "bits_per_symbol",
    "fit_symbols",
    "fit_text",
    "fit_voices",
    "generate",
    "infill",
    "load_text",
]

storage.register(LatentSequenceFlow, RecurrentTransform)
