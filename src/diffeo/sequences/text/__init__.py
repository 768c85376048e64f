"""Text: loading, fits, bits a character, writing and filling in."""

from diffeo.sequences.text.fitting import fit_text
from diffeo.sequences.text.loading import load_text, text_data
from diffeo.sequences.text.writing import bits_per_character, generate, infill

__all__ = ["bits_per_character", "fit_text", "generate", "infill", "load_text", "text_data"]
