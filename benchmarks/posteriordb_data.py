"""The posteriors of posteriordb: Stan programs, data and reference draws."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from data import data_folder

from diffeo.adapters.stan import StanTarget

__all__ = ["CHAINS", "HARD", "flat", "folder", "load", "names", "reference_draws"]

# of reference draws
CHAINS = 10

# what the tables list apart
HARD = (
    "arma-arma11",
    "bball_drive_event_0-hmm_drive_0",
    "eight_schools-eight_schools_centered",
    "eight_schools-eight_schools_noncentered",
    "garch-garch11",
    "gp_pois_regr-gp_regr",
    "low_dim_gauss_mix-low_dim_gauss_mix",
    "one_comp_mm_elim_abs-one_comp_mm_elim_abs",
)


def folder() -> Path:
    """Where posteriordb lies."""
    return data_folder("posteriordb")


def names() -> list[str]:
    """All posteriors, in alphabetical order."""
    return sorted(path.stem for path in (folder() / "posteriors").glob("*.json"))


def load(name: str) -> tuple[StanTarget, dict[str, np.ndarray]]:
    """A posterior and its reference draws (10000) for each flat name; the first call compiles."""
    about = json.loads((folder() / "posteriors" / f"{name}.json").read_text("utf-8"))
    program = folder() / "stan" / f"{about['model_name']}.stan"
    return StanTarget(program, _data(about["data_name"])), reference_draws(name)


def flat(draws: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Draws (n, *shape) by name as columns (n) by flat name, such as "theta[1]" and "P[1,2]"."""
    columns = {}
    for name, values in draws.items():
        array = np.asarray(values)
        for index in itertools.product(*map(range, array.shape[1:])):
            where = ",".join(str(i + 1) for i in index)
            columns[f"{name}[{where}]" if index else name] = array[(slice(None), *index)]
    return columns


def _data(name: str) -> dict[str, Any]:
    with zipfile.ZipFile(folder() / "data" / f"{name}.json.zip") as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def reference_draws(name: str) -> dict[str, np.ndarray]:
    """Reference draws by flat name, one chain after another."""
    with np.load(folder() / "draws" / f"{name}.npz", allow_pickle=False) as file:
        draws = file["draws"].astype(np.float64)
        return {str(n): draws[..., i].ravel() for i, n in enumerate(file["names"])}
