"""Latent flows of piano rolls: JSB chorales and Nottingham, nats a time step, three priors.

python benchmarks/music.py                       # all, at most an hour of two cores a row
python benchmarks/music.py jsb "jsb af/af"       # some: a data set, or one row
python benchmarks/music.py --checkpoints FOLDER  # rows that are interrupted go on where they were

A row that is done is in results/music_<set>_runs.json; the table is made from these after each.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from data import data_folder
from runs import Runs
from table import write_table

from diffeo.arrays import Floats
from diffeo.sequences import LatentSequenceFlow
from diffeo.sequences.music import MusicData, fit_rolls, load_music, nats_per_step

PRIORS = ("af/af", "af/scf", "iaf/scf")
TITLES = {"jsb": "JSB chorales", "nottingham": "Nottingham"}
SEED = 0
# draws of the bound that papers report
DRAWS = 30
MODEL: dict[str, Any] = {
    "latent": 16,
    "hidden": 128,
    "prior_hidden": 256,
    "layers": 2,
    "step_hidden": (128,),
}
FIT: dict[str, Any] = {"batch_size": 8, "ema": 0.998, "patience": None}
# nearly all pieces of both sets are in C major or C minor. The chorales are too few to learn from
# without being moved: they are learned in any key, and then in their own
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "jsb": {
        "model": {"transpose": 6, "window": 64, "dropout": 0.2},
        "first": {"lr": 2e-3, "epochs": 200, "kl_free": 300, "kl_warmup": 3_000},
        "then": {"lr": 1e-3, "epochs": 100},
    },
    "nottingham": {
        "model": {"transpose": 0, "window": 128, "dropout": 0.25},
        "first": {"lr": 3e-3, "epochs": 160, "kl_free": 300, "kl_warmup": 1_500},
    },
}
# Ziegler and Rush 2019, table 4
PUBLISHED: dict[str, dict[str, float]] = {
    "jsb": {"LSTM": 8.17, "af/af": 6.53, "af/scf": 6.64, "iaf/scf": 6.59},
    "nottingham": {"LSTM": 3.43, "af/af": 2.39, "af/scf": 2.56, "iaf/scf": 2.54},
}


def run(name: str, prior: str, checkpoints: Path | None) -> dict[str, Any]:
    """Fit one model, choose its epoch by the validation pieces, and score the test pieces."""
    path = data_folder("music") / f"{name}.npz"
    train, valid, test = (load_music(path, split=part) for part in ("train", "valid", "test"))
    start, cpu = time.monotonic(), time.process_time()
    setting = SETTINGS[name]

    def options(phase: str) -> dict[str, Any]:
        kept = checkpoints and checkpoints / f"{name}-{prior.replace('/', '-')}-{phase}"
        shown = {"progress": False, "on_epoch": _say, "checkpoint": kept}
        return {**FIT, **setting[phase], "seed": SEED, **shown}

    model = fit_rolls(
        train,
        validation=valid,
        options={**MODEL, **setting["model"], "prior": prior},
        **options("first"),
    )
    if "then" in setting:
        model.transpose = 0
        rolls, judged = (part.padded(model.steps) for part in (train, valid))
        model.fit(rolls, validation=judged, **options("then"))
    seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    return {
        "validation": _nats(nats_per_step(model, valid, num_samples=DRAWS, seed=SEED), valid),
        "test": _nats(nats_per_step(model, test, num_samples=DRAWS, seed=SEED), test),
        "test_elbo": _nats(nats_per_step(model, test, num_samples=1, seed=SEED), test),
        "kl": _divergence(model, test),
        "parameters": sum(p.numel() for p in model.parameters()),
        "best_epoch": model.record["best_epoch"],
        "minutes": seconds / 60,
        "cpu_minutes": cpu / 60,
    }


def _say(epoch: int, train: float, validation: float | None) -> None:
    if epoch % 10 == 0:
        print(f"epoch {epoch}: {train:.1f} {validation:.1f} nats a piece", flush=True)


def _nats(each: Floats, data: MusicData) -> float:
    """Of all pieces over all their steps."""
    return float((each * data.lengths).sum() / data.lengths.sum())


def _divergence(model: LatentSequenceFlow, data: MusicData) -> float:
    steps = int(data.lengths.max())
    x = torch.from_numpy(data.padded(steps))
    with torch.no_grad():
        terms = model.of_length(steps).elbo_terms(x, seed=SEED, chunk_size=16)
    return float(terms.divergence.sum() / data.lengths.sum())


def write(runs: dict[str, Runs]) -> None:
    rows: list[list[Any]] = []
    for name in SETTINGS:
        published = PUBLISHED[name]
        lstm = ["LSTM", *[None] * 4, published["LSTM"], *[None] * 4]
        rows.append([TITLES[name], *lstm])
        for prior in PRIORS:
            if prior in runs[name]:
                rows.append([TITLES[name], *_row(prior, runs[name].found[prior], published)])
    write_table(
        "music",
        "Latent flows of polyphonic music, nats a time step",
        [
            "data",
            "prior",
            f"test NLL ({DRAWS} draws)",
            "test -ELBO",
            "of it KL",
            f"validation NLL ({DRAWS} draws)",
            "published",
            "parameters",
            "epochs",
            "CPU minutes",
            "minutes",
        ],
        rows,
        notes=[
            "Piano rolls of 88 notes, the standard splits; all pieces' nats over all their steps. "
            f"NLL: the importance-weighted bound with {DRAWS} draws of z a piece, as in the paper; "
            "more draws would lower it.",
            "Published: Ziegler and Rush 2019 (arXiv:1901.10548), whose flows have z of width 50 "
            "and LSTMs of width 500; the LSTM without latents is theirs.",
            "Here training pieces are seen through windows of their steps, those of JSB at first "
            "transposed at random, later not; validation and test pieces are neither. The epoch is "
            "chosen by the -ELBO of the validation pieces; test pieces are scored once. Epochs: "
            "those of the last part.",
            f"The same for all: {MODEL}, {FIT}; {SETTINGS}.",
        ],
        seed=SEED,
        packages=["numpy"],
    )  # fmt: skip


def _row(prior: str, found: dict[str, Any], published: dict[str, float]) -> list[Any]:
    return [
        prior,
        f"{found['test']:.3f}",
        f"{found['test_elbo']:.3f}",
        f"{found['kl']:.2f}",
        f"{found['validation']:.3f}",
        published[prior],
        found["parameters"],
        found["best_epoch"],
        f"{found['cpu_minutes']:.0f}",
        f"{found['minutes']:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    keys = [f"{name} {prior}" for name in SETTINGS for prior in PRIORS]
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(SETTINGS)}, {', '.join(keys)}")
    parser.add_argument("--checkpoints", type=Path, help="folder for rows that are not done")
    options = parser.parse_args()
    unknown = set(options.rows) - {*SETTINGS, *keys}
    if unknown:
        parser.error(f"no row is called {sorted(unknown)[0]!r}")
    torch.set_num_threads(min(2, torch.get_num_threads()))
    runs = {
        name: Runs(f"music_{name}", {**setting, "common": MODEL, "fit": FIT, "draws": DRAWS})
        for name, setting in SETTINGS.items()
    }
    for key in keys:
        name, prior = key.split()
        wanted = not options.rows or {name, key} & set(options.rows)
        if wanted and prior not in runs[name]:
            runs[name].add(prior, run(name, prior, options.checkpoints))
            write(runs)
    write(runs)


if __name__ == "__main__":
    main()
