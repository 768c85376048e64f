"""Bits a character of tinyshakespeare, by flows of symbols, an LSTM and a trigram.

python benchmarks/text.py                         # about ten minutes of one core a row
python benchmarks/text.py --only autoregressive

A row that is done is kept.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import torch
from data import data_folder
from runs import Runs
from symbols_lstm import LSTM, parameters, trained, widest
from table import write_table
from text_trigram import Trigram
from torch import Tensor

from diffeo.estimates import mean_and_error
from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.sequences import generate, load_text
from diffeo.sequences.text import bits_per_character, text_data

SEED = 0
LENGTH = 128
# characters that the first judged one of a window sees
CONTEXT = 96
DRAWS = 20
# of the flow of couplings, which takes them all at once
COUPLED = 32
SHARES = 0.9, 0.95
WANTED = 0.05
DROPOUT = 0.1
STEPS = 2_000
BATCH: dict[str, Any] = {"batch_size": 32, "lr": 2e-3}
NAMES = ("trigram", "LSTM", "autoregressive", "autoregressive, any order", "coupling")


class Shakespeare:
    """The text, its characters, and its three parts."""

    def __init__(self) -> None:
        self.text = load_text(data_folder("text") / "tinyshakespeare.txt.xz")
        data = text_data(self.text)
        self.alphabet = data.alphabet
        codes = data.sequences[0]
        first, second = (round(share * len(codes)) for share in SHARES)
        self.train, self.test = codes[:first], codes[second:]
        self.test_text = self.text[second:]

    def windows(self, count: int, length: int = LENGTH) -> Tensor:
        """Training windows anywhere in the text."""
        starts = np.random.default_rng(SEED).integers(0, len(self.train) - length, count)
        return torch.from_numpy(self.train[starts[:, None] + np.arange(length)]).float()


def flow_of(data: Shakespeare, any_order: float = 0.0) -> ArgmaxAutoregressive:
    """The autoregressive flow of a text."""
    return ArgmaxAutoregressive(
        LENGTH,
        data.alphabet,
        dim=256,
        layers=0,
        recurrent=1,
        near=2,
        any_order=any_order,
        dropout=DROPOUT,
        seed=SEED,
    )


def run(name: str) -> dict[str, Any]:
    """One row."""
    data = Shakespeare()
    if name == "trigram":
        mean, error = mean_and_error(Trigram(data.train, len(data.alphabet)).bits(data.test))
        return {"bits": mean, "error": error, "parameters": len(data.alphabet) ** 3, "seconds": 0}
    if name == "LSTM":
        return _lstm(data)
    if name == "coupling":
        flow: Any = ArgmaxCoupling(COUPLED, data.alphabet, couplings=6, dim=96, layers=1, seed=SEED)
        length, draws, context = COUPLED, DRAWS, 0
    else:
        flow = flow_of(data, 0.5 if "any order" in name else 0.0)
        length, draws, context = LENGTH, 1, CONTEXT
    record = trained(flow, lambda n: data.windows(n, length), STEPS, seed=SEED, **BATCH)
    bits = bits_per_character(flow, data.test_text, context=context, num_samples=draws, seed=SEED)
    (sample,) = generate(flow, length=length, seed=SEED)
    return {**record, "bits": bits.mean, "error": bits.error, "sample": sample}


def _lstm(data: Shakespeare) -> dict[str, Any]:
    torch.manual_seed(SEED)
    count = len(data.alphabet)
    model: Any = widest(
        lambda width: LSTM(LENGTH, count, width, dropout=DROPOUT), parameters(flow_of(data))
    )
    record = trained(model, data.windows, STEPS, seed=SEED, **BATCH)
    # it reads the whole of the text that is judged
    with torch.no_grad():
        each = model.each(torch.from_numpy(data.test).float()[None])[0]
    bits = -each.double().numpy() / math.log(2)
    mean, error = mean_and_error(bits[: len(bits) // LENGTH * LENGTH].reshape(-1, LENGTH).mean(1))
    return {**record, "bits": mean, "error": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="the one row that is measured")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    protocol = {"seed": SEED, "steps": STEPS, "length": LENGTH, "context": CONTEXT, "draws": DRAWS}
    runs = Runs("text", {**protocol, "coupled": COUPLED, "batch": BATCH, "dropout": DROPOUT})
    for name in NAMES:
        if name == chosen.only or (chosen.only is None and name not in runs):
            runs.add(name, run(name))
    _write(runs.found)


def _write(found: dict[str, Any]) -> None:
    rows = []
    for name in NAMES:
        got = found.get(name)
        if got is None:
            rows.append([name, "not measured", None, None, None])
            continue
        figure = f"{got['bits']:.3f} ± {got['error']:.3f}"
        seconds = f"{got['seconds']:.0f}"
        rows.append([name, figure, got["parameters"], seconds, got.get("sample")])
    write_table(
        "text",
        "tinyshakespeare: bits a character",
        ["model", "test bits/character", "parameters", "CPU s", "sample"],
        rows,
        notes=[
            f"Characters, the first 90 % to train on, the last 5 % to judge by; {STEPS:,} steps of "
            f"{BATCH['batch_size']} random windows for all. Mean and standard error over windows.",
            f"The autoregressive flows see {LENGTH} characters, and every judged one but the first "
            f"has at least {CONTEXT} before it; they are exact. The LSTM, of as many parameters at "
            "most, reads on through the whole test text. The flow of couplings takes "
            f"{COUPLED} characters at once; its figure is the importance-weighted bound of "
            f"{DRAWS} draws. The trigram is smoothed after Kneser and Ney, with three discounts.",
            f"Wanted of the autoregressive flow: at most the LSTM's + {WANTED}.",
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
