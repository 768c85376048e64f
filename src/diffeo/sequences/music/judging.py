"""How probable a model finds pieces of music."""

from __future__ import annotations

import numpy as np
import torch

from diffeo.arrays import Floats
from diffeo.density import Seed, as_generator
from diffeo.sequences.latent import LatentSequenceFlow
from diffeo.sequences.music.matching import for_model
from diffeo.sequences.music.music_data import MusicData

__all__ = ["nats_per_step"]

# steps worked on at a time, counted with their draws
_STEPS = 50_000


def nats_per_step(
    model: LatentSequenceFlow, data: MusicData, *, num_samples: int = 30, seed: Seed = 0
) -> Floats:
    """-log p / n of every piece of n steps, an upper bound: high for pieces unlike others.

    The figure of papers, of all pieces together, is the mean of these with weights n.

    Args:
        model: the model.
        data: the music; voices are scored as rolls.
        num_samples: draws of each piece, which tighten the bound.
        seed: of the draws.

    Returns:
        (N,).

    Raises:
        DataError: music that is not the model's; see ``for_model``.
        ValueError: ``num_samples`` below 1.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences import LatentSequenceFlow
        >>> from diffeo.sequences.music import MusicData, nats_per_step
        >>> model = LatentSequenceFlow(8, 88, latent=2, hidden=8, step_hidden=(8,))
        >>> nats_per_step(model, MusicData((np.zeros((5, 88)),)), num_samples=3).shape
        (1,)
    """
    rolls = for_model(model, data)
    generator = as_generator(seed, model.like.device)
    steps = int(rolls.lengths.max())
    fitting = model if steps <= model.steps else model.of_length(steps)
    each = []
    for i, piece in enumerate(rolls.pieces):
        x = torch.from_numpy(rolls.subset([i]).padded(fitting.steps)).to(model.like)
        with torch.no_grad():
            found = fitting.nats_per_step(
                x,
                num_samples=num_samples,
                seed=generator,
                chunk_size=max(1, _STEPS // len(piece)),
            )
        each.append(float(found))
    return np.array(each)
