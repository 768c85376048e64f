"""Characters given the two before, smoothed after Kneser and Ney."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

__all__ = ["Trigram"]

Counts = npt.NDArray[np.float64]


class Trigram:
    """Interpolated modified Kneser-Ney smoothing: discounts for counts of 1, 2, and more.

    Args:
        codes: what to count, (n,) numbers from 0 to K - 1.
        symbols: K.

    Reference: "An Empirical Study of Smoothing Techniques for Language Modeling", Chen, Goodman,
    1999, Computer Speech and Language 13.
    """

    def __init__(self, codes: npt.NDArray[np.int64], symbols: int) -> None:
        three = np.zeros((symbols,) * 3)
        np.add.at(three, (codes[:-2], codes[1:-1], codes[2:]), 1)
        # of shorter contexts, in how many contexts a symbol was seen, not how often
        two = (three > 0).sum(0).astype(float)
        one = (two > 0).sum(0).astype(float)
        unigram = _mixed(one, np.full(symbols, 1 / symbols))
        bigram = _mixed(two, unigram)
        self.probabilities = _mixed(three, bigram)

    def bits(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """-log2 p of each symbol but the first two."""
        found: npt.NDArray[np.float64] = -np.log2(
            self.probabilities[codes[:-2], codes[1:-1], codes[2:]]
        )
        return found


def _mixed(counts: Counts, lower: Counts) -> Counts:
    """Discounted counts (..., K), and what they leave spread as ``lower``."""
    seen = [float((counts == k).sum()) for k in (1, 2, 3, 4)]
    ratio = seen[0] / (seen[0] + 2 * seen[1]) if seen[0] else 0.0
    discounts = [
        k - (k + 1) * ratio * after / now if now else 0.0
        for k, (now, after) in enumerate(itertools.pairwise(seen), start=1)
    ]
    taken = np.select([counts == 1, counts == 2, counts > 2], np.clip(discounts, 0, None), 0.0)
    total = counts.sum(-1, keepdims=True)
    kept = np.divide(counts - taken, total, out=np.zeros_like(counts), where=total > 0)
    left = np.divide(taken.sum(-1, keepdims=True), total, out=np.ones_like(total), where=total > 0)
    return kept + left * lower
