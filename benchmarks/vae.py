"""Flow VAEs on binarised MNIST: -ELBO and NLL of each family of posteriors, 3 seeds.

python benchmarks/vae.py                  # all, about 80 minutes of one core
python benchmarks/vae.py --missing        # after an interruption: runs without a result
python benchmarks/vae.py iaf sylvester    # some, in place of their runs in the table

A run that is done is in results/vae_runs.json; the table is made from that file after each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from table import RESULTS, write_table
from torch import nn
from vae_data import PIXELS, binarised_mnist

from diffeo.inference.vae import FlowVAE, amortised_posterior

SEEDS = (0, 1, 2)
FAMILIES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "planar": {"layers": 8},
    "iaf": {"layers": 4},
    "sylvester": {"layers": 4, "rank": 8},
    "realnvp": {"layers": 4},
    "spline": {"layers": 4},
}
LAST = ("realnvp", "spline")
LATENT, WIDTH, HIDDEN = 32, 300, (300,)
FIT: dict[str, Any] = {
    "epochs": 40,
    "patience": None,
    "batch_size": 128,
    "lr": 1e-3,
    "kl_warmup": 1_000,
}
# draws of the bounds on test images, and test images (the first ones) of the second
ELBO_DRAWS, NLL_DRAWS, NLL_IMAGES = 10, 256, 1_000
RUNS = RESULTS / "vae_runs.json"


@dataclass(frozen=True)
class Run:
    """What one fit gave, in nats an image."""

    family: str
    seed: int
    negative_elbo: float
    kl: float
    nll: float
    parameters: int
    best_epoch: int
    cpu_seconds: float


def _network(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them, initialised for it."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layer = nn.Linear(before, after)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def build(family: str, seed: int) -> FlowVAE:
    torch.manual_seed(seed)
    # the network that predicts the posterior's normal from the code is the second hidden layer
    encoder = nn.Sequential(*_network(PIXELS, WIDTH), nn.ReLU())
    decoder = _network(LATENT, WIDTH, WIDTH, PIXELS)
    nn.init.xavier_normal_(decoder[-1].weight, gain=0.1)
    posterior = amortised_posterior(
        family,  # type: ignore[arg-type]
        LATENT,
        context=WIDTH,
        hidden=HIDDEN,
        seed=seed,
        **FAMILIES[family],
    )
    return FlowVAE(encoder, posterior, decoder)


def run(family: str, seed: int) -> Run:
    """Fit one posterior; the weights are those of the best -ELBO on the validation images."""
    train, validation, test = binarised_mnist()
    vae = build(family, seed)
    start = time.process_time()
    vae.fit(train, validation=validation, seed=seed, progress=False, **FIT)
    seconds = time.process_time() - start
    terms = vae.elbo_terms(test, num_samples=ELBO_DRAWS, seed=0)
    nll = -vae.log_prob(test[:NLL_IMAGES], num_samples=NLL_DRAWS, seed=0)
    return Run(
        family,
        seed,
        float((terms.divergence - terms.likelihood).mean()),
        float(terms.divergence.mean()),
        float(nll.mean()),
        sum(p.numel() for p in vae.parameters()),
        vae.record["best_epoch"],
        seconds,
    )


def _settings() -> dict[str, Any]:
    """What results that share a table must share."""
    return {"latent": LATENT, "width": WIDTH, "hidden": list(HIDDEN), "fit": FIT}


def _known() -> list[Run]:
    """The runs of the file that were made with these settings."""
    if not RUNS.exists():
        return []
    content = json.loads(RUNS.read_text("utf-8"))
    if content["settings"] != _settings():
        return []
    return [
        Run(**r)
        for r in content["runs"]
        if content["families"][r["family"]] == FAMILIES[r["family"]]
    ]


def _keep(runs: list[Run]) -> None:
    content = {
        "settings": _settings(),
        "families": FAMILIES,
        "runs": [asdict(r) for r in runs],
    }
    RUNS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _spread(values: list[float]) -> str:
    text = f"{statistics.mean(values):.2f}"
    return f"{text} ± {statistics.stdev(values):.2f}" if len(values) > 1 else text


def _row(family: str, runs: list[Run], gaussian: float | None) -> list[Any]:
    elbo = [r.negative_elbo for r in runs]
    lead = None if gaussian is None else f"{gaussian - statistics.mean(elbo):+.2f}"
    return [
        family,
        _spread(elbo),
        None if family == "gaussian" else lead,
        _spread([r.kl for r in runs]),
        _spread([r.nll for r in runs]),
        len(runs),
        runs[0].parameters,
        f"{statistics.mean(r.cpu_seconds for r in runs) / 60:.1f}",
    ]


def write(runs: list[Run]) -> None:
    by_family = {f: [r for r in runs if r.family == f] for f in FAMILIES}
    base = [r.negative_elbo for r in by_family["gaussian"]]
    gaussian = statistics.mean(base) if base else None
    rows = [_row(f, found, gaussian) for f, found in by_family.items() if found]
    layers = "; ".join(f"{f} {o}" for f, o in FAMILIES.items() if o)
    write_table(
        "vae",
        "Flow VAEs on binarised MNIST",
        [
            "posterior",
            "-ELBO (nats, mean ± sd of seeds)",
            "nats better than gaussian",
            "KL(q, prior)",
            f"NLL ({NLL_DRAWS} draws)",
            "seeds",
            "parameters",
            "CPU minutes a fit",
        ],
        rows,
        notes=[
            "Pixels are drawn once with a fixed seed; 50,000 images to train, 10,000 to choose "
            "the epoch, 10,000 to test.",
            f"-ELBO: all test images, {ELBO_DRAWS} draws. NLL: the importance-weighted bound on "
            f"the first {NLL_IMAGES} test images; more draws would lower it.",
            f"Encoder {PIXELS}-{WIDTH}, decoder {LATENT}-{WIDTH}-{WIDTH}-{PIXELS}; all "
            f"posteriors on an amortised diagonal normal; hidden widths {HIDDEN} of networks that "
            f"read the code; {layers}.",
            f"The same for all: {FIT}.",
        ],
        seed=list(SEEDS),
        packages=["numpy"],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}; by default all")
    parser.add_argument("--missing", action="store_true", help="only runs without a result")
    options = parser.parse_args()
    chosen = options.families or list(FAMILIES)
    unknown = [f for f in chosen if f not in FAMILIES]
    if unknown:
        parser.error(f"no family is called {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    # the families with a target first, seed by seed
    wanted = sorted(itertools.product(chosen, SEEDS), key=lambda case: (case[0] in LAST, case[1]))
    runs = _known()
    if options.missing:
        wanted = [case for case in wanted if case not in {(r.family, r.seed) for r in runs}]
    torch.set_num_threads(1)
    for family, seed in wanted:
        done = run(family, seed)
        print(done, flush=True)
        runs = [r for r in _known() if (r.family, r.seed) != (family, seed)] + [done]
        _keep(runs)
        write(runs)


if __name__ == "__main__":
    main()
