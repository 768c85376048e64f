"""Time of diffeo beside its peers, case by case: results/speed.md, speed.json and speed.png.

python benchmarks/speed.py                 # all cases, about 25 minutes on 2 cores
python benchmarks/speed.py --case A C      # some, in place of their records
python benchmarks/speed.py --missing       # after an interruption: those without a record
python benchmarks/speed.py --device cuda   # the rows of a GPU
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile

import torch
from timing.cases import CASES, on_gpu
from timing.contest import contest
from timing.page import gpu_key, load, save
from timing.picture import draw
from timing.players import environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runnable = [key for key, case in CASES.items() if case.sizes]
    parser.add_argument("--case", nargs="+", choices=runnable, default=runnable)
    parser.add_argument("--missing", action="store_true", help="only cases without a record")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="threads of each contestant")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    environment(options.device, options.threads)
    cases = {key: CASES[key] for key in options.case}
    if options.device == "cuda":
        cases = {gpu_key(key): on_gpu(case) for key, case in cases.items() if case.gpu}
    records = load()
    if options.missing:
        cases = {key: case for key, case in cases.items() if key not in records}
    for key, case in cases.items():
        print(f"\n{key}: {case.title}", flush=True)
        with tempfile.TemporaryDirectory() as cache:  # compile times are those of a first use
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
            records[key] = contest(
                case, device=options.device, threads=options.threads, turns=options.repeats
            )
        save(records)
        if importlib.util.find_spec("matplotlib"):
            draw(records)


if __name__ == "__main__":
    main()
