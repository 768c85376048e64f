"""Named architectures of sequences of symbols."""

from diffeo import storage
from diffeo.models.sequences.alphabet import OfSymbols
from diffeo.models.sequences.argmax_autoregressive import ArgmaxAutoregressive
from diffeo.models.sequences.argmax_coupling import ArgmaxCoupling

__all__ = ["ArgmaxAutoregressive", "ArgmaxCoupling", "OfSymbols"]

storage.register(ArgmaxAutoregressive, ArgmaxCoupling)
