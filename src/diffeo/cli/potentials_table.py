"""The table of `diffeo demo potentials`, to read and to compute with."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch

from diffeo.cli.potentials import Fitted
from diffeo.version import __version__

__all__ = ["write_table"]


def write_table(fits: list[Fitted], folder: Path, *, seed: int, quick: bool) -> Path:
    """Write potentials.md and potentials.json to ``folder``; return the path of the first."""
    lines = [
        "| potential | flow | KL(q, p) (nats) | parameters | seconds |",
        "|---|---|---|---|---|",
        *(_line(fit) for fit in fits),
    ]
    path = folder / "potentials.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {
        "seed": seed,
        "quick": quick,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffeo": __version__,
        },
        "fits": [_record(fit) for fit in fits],
    }
    text = json.dumps(content, indent=1) + "\n"
    path.with_suffix(".json").write_text(text, encoding="utf-8")
    return path


def _line(fit: Fitted) -> str:
    record = _record(fit)
    cells = [fit.potential.name, fit.name, fit.kl, record["parameters"], f"{fit.seconds:.0f}"]
    return f"| {' | '.join(map(str, cells))} |"


def _record(fit: Fitted) -> dict[str, Any]:
    return {
        "potential": fit.potential.name,
        "flow": fit.name,
        "kl": fit.divergence.mean,
        "standard_error": fit.divergence.standard_error,
        "parameters": sum(parameter.numel() for parameter in fit.flow.parameters()),
        "lr": fit.recipe.lr,
        "seconds": fit.seconds,
    }
