"""Digits drawn by Glow and read by a classifier: the figures of examples/digits.py, three seeds.

python benchmarks/digits.py    # three minutes of one core
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import write_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import digits

SEEDS = range(3)
EPOCHS = 30
# wanted: accuracy of the classifier, confident share, share read as its class
WANTED = digits.Verdict(0.97, 0.8, 0.85)


def run(seed: int) -> list[Any]:
    """One row of the table."""
    real, unseen = digits.digits()
    start = time.process_time()
    model = digits.train(real, EPOCHS, seed)
    seconds = time.process_time() - start
    bits = model.bits_per_dim(
        torch.from_numpy(unseen.pixels).float(), model.context_of(unseen.labels), seed=seed
    )
    verdict = digits.judge(model, real, unseen, seed)
    met = all(np.array(verdict) >= np.array(WANTED))
    shares = [f"{share:.1%}" for share in verdict]
    return [seed, f"{bits.mean():.3f}", *shares, f"{seconds:.0f}", "yes" if met else "NO"]


def main() -> None:
    torch.set_num_threads(1)
    write_table(
        "digits",
        "Drawn digits of 8 x 8 pixels, read by a classifier",
        [
            "seed",
            "bits/dim held out",
            "classifier's accuracy",
            "confident",
            "read as their class",
            "CPU s",
            "all met",
        ],
        [run(seed) for seed in SEEDS],
        notes=[
            f"scikit-learn's digits, 4 bits; Glow of splines given the class, {EPOCHS} epochs on "
            "nine tenths. 100 samples of each class at temperature 1.",
            "The classifier, a network of 128 hidden units, is trained on the same real digits; "
            "its accuracy is on the held-out tenth. Confident: its probability of some class is "
            f"above {digits.CONFIDENT}. Wanted: {WANTED.accuracy:.0%}, {WANTED.confident:.0%}, "
            f"{WANTED.right:.0%}.",
        ],
        seed=list(SEEDS),
        packages=["scikit-learn"],
    )


if __name__ == "__main__":
    main()
