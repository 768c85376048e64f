"""Sequences of symbols: data, fits, probabilities, and filling of what is missing."""

from diffeo.sequences.symbols.chorales import continued, fit_voices, harmonised, sample_voices
from diffeo.sequences.symbols.data import SymbolData
from diffeo.sequences.symbols.filling import filled
from diffeo.sequences.symbols.fitting import fit_symbols
from diffeo.sequences.symbols.judging import Bits, bits_per_symbol, log_probs

__all__ = [
    "Bits",
    "SymbolData",
    "bits_per_symbol",
    "continued",
    "filled",
    "fit_symbols",
    "fit_voices",
    "harmonised",
    "log_probs",
    "sample_voices",
]
