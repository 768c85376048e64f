"""Fit, score, sample and save an exact density of a real table.

Leaves in examples/output/: the model, a held-out report, a scored CSV, 1,000 samples as CSV, and a
picture of samples beside data.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

import diffeo
from diffeo.bases import MultivariateNormal
from diffeo.report import plot_pairs

HERE = Path(__file__).resolve().parent
SEED = 0


def summary(name: str, log_prob: np.ndarray, features: int) -> str:
    """Mean held-out log-likelihood with its standard error, in nats and in bits per dimension."""
    mean, error = log_prob.mean(), log_prob.std(ddof=1) / math.sqrt(len(log_prob))
    bits = 1 / (features * math.log(2))
    return (
        f"{name:28s} {mean:9.4f} ± {error:.4f} nats a row "
        f"  {-mean * bits:7.4f} ± {error * bits:.4f} bits per dimension"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=HERE / "output")
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)

    table = pd.read_csv(HERE / "power_plant.csv")
    held_out = table.sample(frac=0.2, random_state=SEED)
    train = table.drop(held_out.index)
    width = table.shape[1]

    flow = diffeo.NSF(features=width, seed=SEED).fit(train, epochs=arguments.epochs, seed=SEED)
    flow.save(output / "model.safetensors")

    gaussian = MultivariateNormal(
        width, loc=train.mean().tolist(), covariance=np.cov(train.T).tolist()
    ).double()
    lines = [
        f"{len(train)} rows to fit, {len(held_out)} held out",
        summary("neural spline flow", flow.log_prob(held_out), width),
        summary("full-covariance Gaussian", gaussian.log_prob(held_out), width),
    ]
    (output / "held_out.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))

    table.assign(log_prob=flow.log_prob(table)).to_csv(output / "scored.csv", index=False)
    samples = pd.DataFrame(flow.sample(1000, seed=SEED).numpy(), columns=table.columns)
    samples.to_csv(output / "samples.csv", index=False)
    figure = plot_pairs(held_out.to_numpy(), samples.to_numpy(), names=list(table.columns))
    figure.savefig(output / "samples.png", dpi=120)
    print(f"wrote {', '.join(sorted(p.name for p in output.iterdir()))} to {output}")


if __name__ == "__main__":
    main()
