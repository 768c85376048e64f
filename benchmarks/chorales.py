"""Bits a note of four-voice chorales, by the autoregressive argmax flow, an LSTM and a bigram.

python benchmarks/chorales.py                # about twenty minutes of one core a row
python benchmarks/chorales.py --only flow

A row that is done is kept.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from data import data_folder
from runs import Runs
from symbols_lstm import LSTM, parameters, trained, widest
from table import write_table
from torch import Tensor

from diffeo.estimates import mean_and_error
from diffeo.models import ArgmaxAutoregressive
from diffeo.sequences import bits_per_symbol
from diffeo.sequences.music import load_music
from diffeo.sequences.symbols import harmonised, sample_voices
from diffeo.sequences.symbols.chorales import transposed_windows
from diffeo.sequences.symbols.data import as_rows
from diffeo.sequences.symbols.pitches import as_symbols, pitch_alphabet

SEED = 0
STEPS = 64
VOICES = 4
LENGTH = STEPS * VOICES
# three of the four bars
CONTEXT = LENGTH * 3 // 4
COPIES = 6
SAMPLES = 50
PERIODS = (4, 16, 64)
DROPOUT = 0.1
TRAINED = 1_500
# soprano, alto, tenor, bass: MIDI pitches of choirs, C4-A5, F3-D5, C3-A4, C2-E4
RANGES = ((60, 81), (53, 74), (48, 69), (36, 64))
WITHIN = 0.99
BATCH: dict[str, Any] = {"batch_size": 16, "lr": 2e-3}
NAMES = ("bigram", "LSTM", "flow")


class Chorales:
    """The pieces, as arrays and as symbols, and training windows in several keys."""

    def __init__(self) -> None:
        path = data_folder("music") / "jsb16_satb.npz"
        self.train, self.test = (
            load_music(path, split=split, kind="voices") for split in ("train", "test")
        )
        every = (*self.train.pieces, *self.test.pieces)
        self.alphabet = pitch_alphabet(replace(self.train, pieces=every))
        self.rows = transposed_windows(self.train, self.alphabet, STEPS, copies=COPIES, seed=SEED)
        self.judged = as_symbols(self.test, self.alphabet)

    def windows(self, count: int) -> Tensor:
        """Training windows, drawn with their keys."""
        chosen = np.random.default_rng(SEED).integers(0, len(self.rows), count)
        return as_rows(list(self.rows[chosen]), LENGTH)


def flow_of(data: Chorales) -> ArgmaxAutoregressive:
    """The flow of chorales, which also learns to harmonise."""
    near = [*range(1, 12), 16, 64]
    return ArgmaxAutoregressive(
        LENGTH,
        data.alphabet,
        dim=160,
        layers=1,
        recurrent=1,
        near=sorted([-offset for offset in near] + near),
        periods=PERIODS,
        any_order=0.5,
        groups=VOICES,
        dropout=DROPOUT,
        seed=SEED,
    )


def run(name: str) -> dict[str, Any]:
    """One row."""
    data = Chorales()
    if name == "bigram":
        return _bigram(data)
    if name == "LSTM":
        torch.manual_seed(SEED)
        most, count = parameters(flow_of(data)), len(data.alphabet)
        model: Any = widest(
            lambda width: LSTM(LENGTH, count, width, periods=PERIODS, dropout=DROPOUT), most
        )
        record = trained(model, data.windows, TRAINED, seed=SEED, **BATCH)
        with torch.no_grad():
            each = [
                model.each(torch.from_numpy(row)[None].float()) for row in data.judged.sequences
            ]
        return {**record, **_figures([-found.double().numpy().ravel() for found in each])}
    flow = flow_of(data)
    record = trained(flow, data.windows, TRAINED, seed=SEED, **BATCH)
    bits = bits_per_symbol(flow, data.judged, context=CONTEXT)
    return {**record, "bits": bits.mean, "error": bits.error, **_sung(flow, data)}


def _bigram(data: Chorales) -> dict[str, Any]:
    """Each note given the last one of its voice, counted in all keys; half a count is added."""
    count = len(data.alphabet)
    counts = np.full((VOICES, count + 1, count), 0.5)
    for row in data.rows:
        _count(counts, row[row >= 0])
    log_prob = np.log(counts / counts.sum(-1, keepdims=True))
    nats = []
    for row in data.judged.sequences:
        voice = np.arange(len(row)) % VOICES
        before = np.concatenate([np.full(VOICES, count), row[:-VOICES]])
        nats.append(-log_prob[voice, before, row])
    return {**_figures(nats), "parameters": counts.size, "seconds": 0}


def _count(counts: Any, row: Any) -> None:
    voice = np.arange(len(row)) % VOICES
    before = np.concatenate([np.full(VOICES, counts.shape[2]), row[:-VOICES]])
    np.add.at(counts, (voice, before, row), 1)


def _figures(nats: list[Any]) -> dict[str, float]:
    """Bits a note, and the error over pieces."""
    total = sum(each.sum() for each in nats) / sum(len(each) for each in nats)
    _, error = mean_and_error(np.array([each.mean() for each in nats]) / math.log(2))
    return {"bits": float(total) / math.log(2), "error": error}


def _sung(flow: ArgmaxAutoregressive, data: Chorales) -> dict[str, float]:
    """Shares of notes in the ranges of their voices, of samples and of harmonised sopranos."""
    melodies = [piece[:STEPS, 0] for piece in data.test.pieces[:8] if len(piece) >= STEPS]
    harmonies = np.concatenate([harmonised(flow, line, seed=SEED) for line in melodies])
    return {
        "within": _within(sample_voices(flow, SAMPLES, seed=SEED)),
        "harmonised": _within(harmonies),
        "real": _within(np.concatenate(list(data.test.pieces))[None]),
    }


def _within(pitches: Any) -> float:
    low, high = np.array(RANGES).T
    sounding = pitches >= 0
    inside = (pitches >= low) & (pitches <= high)
    return float(inside[sounding].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="the one row that is measured")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    protocol = {
        "seed": SEED,
        "steps": STEPS,
        "copies": COPIES,
        "context": CONTEXT,
        "batch": BATCH,
        "trained": TRAINED,
    }
    runs = Runs("chorales", {**protocol, "ranges": RANGES, "samples": SAMPLES})
    for name in NAMES:
        if name == chosen.only or (chosen.only is None and name not in runs):
            runs.add(name, run(name))
    _write(runs.found)


def _write(found: dict[str, Any]) -> None:
    rows = []
    for name in NAMES:
        got = found.get(name)
        if got is None:
            rows.append([name, "not measured", *[None] * 4])
            continue
        shares = [f"{got[key]:.2%}" if key in got else None for key in ("within", "harmonised")]
        figure = f"{got['bits']:.3f} ± {got['error']:.3f}"
        seconds = f"{got['seconds']:.0f}"
        rows.append([name, figure, got["parameters"], seconds, *shares])
    notes = [
        "Chorales of Bach, four voices at 16ths, standard split; a note is one voice at one 16th. "
        f"Windows of {STEPS} 16ths, a bar apart, each in up to {COPIES} keys in which no voice "
        f"leaves the range that it has in training: the same {TRAINED:,} steps of "
        f"{BATCH['batch_size']} for flow and LSTM. Mean over the test pieces and standard error.",
        f"The flow sees {LENGTH} notes, and every judged one but those of the first window has at "
        f"least {CONTEXT} before it; half of its training rows teach it to fill in voices and "
        "spans. The LSTM, of as many parameters at most, reads whole pieces, and is told voice, "
        "beat and bar as the flow is. The bigram knows the last note of the same voice.",
        f"In range: of {SAMPLES} samples, and of voices added to sopranos of the test pieces, the "
        f"share of notes within C4-A5, F3-D5, C3-A4, C2-E4; wanted {WITHIN:.0%}.",
    ]
    if "flow" in found:
        notes.append(f"Of Bach's own notes in the test pieces {found['flow']['real']:.2%} are.")
    write_table(
        "chorales",
        "Four-voice chorales: bits a note",
        ["model", "test bits/note", "parameters", "CPU s", "in range", "harmonised"],
        rows,
        notes=notes,
        seed=SEED,
    )


if __name__ == "__main__":
    main()
