"""Named architectures of sequences of symbols."""

from diffeo import storage
from diffeo.models.sequences.alphabet import OfSymbols
from diffeo.models.sequences.argmax_autoregressive import ArgmaxAutoregressive

__all__ = ["ArgmaxAutoregressive", "OfSymbols"]

storage.register(ArgmaxAutoregressive)
