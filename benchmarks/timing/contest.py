"""One case: everybody warms up, then takes turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import PACKAGES
from table import provenance

from timing.cases import Case, Entrant, Size, Work
from timing.floor import flops, gemm_rate
from timing.players import FailedError, Player, Script, Served

__all__ = ["contest"]

SEED = 0
MOST_TURNS = {"fit": 3}  # long enough to be well measured
Players = dict[Entrant, Player]
Record = dict[str, Any]


def contest(case: Case, *, device: str, threads: int, turns: int) -> Record:
    """The record of a case, ready for JSON."""
    record = provenance(SEED, PACKAGES)
    record["GEMM flops/s"] = gemm_rate(device)
    record["works"] = {}
    for size in case.sizes:
        with tempfile.TemporaryDirectory() as folder:
            players = _players(case, size, Path(folder), device, threads)
            try:
                for work in size.works:
                    record["works"][size.label(work)] = _measure(players, size, work, turns)
            finally:
                for player in players.values():
                    player.close()
    return record


def _players(case: Case, size: Size, folder: Path, device: str, threads: int) -> Players:
    if size.works[0].step != "fit":
        want = size.architecture
        return {e: Served(e, want, device, threads) for e in case.entrants}
    table = folder / "table.npy"
    np.save(table, _mixture(size.works[0].rows, size.architecture.features))
    return {e: Script(e, table) for e in case.entrants}


def _mixture(rows: int, features: int) -> np.ndarray:
    """Draws of a mixture of four normals, of mean 0 and variance 1."""
    generator = np.random.default_rng(SEED)
    centres = generator.normal(size=(4, features))
    x = centres[generator.integers(4, size=rows)] + 0.5 * generator.normal(size=(rows, features))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


def _measure(players: Players, size: Size, work: Work, turns: int) -> Record:
    """By entrant: seconds of the first call, one figure a turn, the check; or why it failed."""
    print(size.label(work), flush=True)
    results: dict[Entrant, Record] = {e: {"turns": []} for e in players if e.runs(work.step)}

    def everybody(question: Callable[[Player, Record], None]) -> None:
        for entrant, result in results.items():
            if "failed" in result:
                continue
            try:
                question(players[entrant], result)
            except FailedError as error:
                result["failed"] = str(error)
                print(f"  {entrant.name}: {error}", flush=True)

    everybody(lambda player, result: result.update(first=player.prepare(work)))
    for _ in range(min(turns, MOST_TURNS.get(work.step, turns))):
        everybody(lambda player, result: result["turns"].append(player.turn(work)))
    everybody(lambda player, result: result.update(check=player.check()))
    return {
        "flops": flops(size.architecture, work),
        "entrants": {entrant.name: result for entrant, result in results.items()},
    }
