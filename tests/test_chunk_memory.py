"""Peak memory of many rows, each measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")  # of Unix

# what importing and first calls need is there before; a peak never falls again
SCRIPT = """
import os, resource, sys, torch, diffeo

def peak():  # MiB
    if os.path.exists("/proc/self/status"):  # there ru_maxrss begins at the parent's
        with open("/proc/self/status") as status:
            return int(next(line for line in status if "VmHWM" in line).split()[1]) / 2**10
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)

torch.set_num_threads(1)
job, rows, chunk = sys.argv[1], int(sys.argv[2]), eval(sys.argv[3])
# in float64, where no kernel works on blocks of its own
model = diffeo.RealNVP(2, layers=2, hidden=(int(sys.argv[4]),), seed=0).double().eval()
x = torch.ones(rows, 2).double() if job != "sample" else None
few = torch.zeros(1000, 2).double()
with torch.no_grad():
    model.log_prob(few), model.score(few), model.sample(1000)
    before = peak()
    result = (
        model.sample(rows, chunk_size=chunk)
        if job == "sample"
        else getattr(model, job)(x, chunk_size=chunk)
    )
    assert len(result) == rows and bool(result[-1].isfinite().all())
    print(peak() - before - result.numel() * 8 / 2**20)
"""


def growth(job: str, rows: int, chunk: int | None = None, width: int = 256) -> float:
    """MiB that the peak grew beyond the rows and the result."""
    command = [sys.executable, "-c", SCRIPT, job, str(rows), repr(chunk), str(width)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


# the noise of the base is there in one piece, as large as the samples
NOISE = {"sample": 2 * 8 / 2**20, "log_prob": 0.0, "score": 0.0}


@pytest.mark.parametrize("job", NOISE)
def test_a_million_rows(job: str) -> None:
    rows = 1_000_000
    assert growth(job, rows) < 256 + rows * NOISE[job]


def test_the_measurement_sees_what_chunks_save() -> None:
    # 256 numbers of 8 bytes a row are 977 MiB, once; there are several such
    assert growth("log_prob", 500_000, 500_000) > 1024


@pytest.mark.slow
@pytest.mark.parametrize("job", NOISE)
def test_ten_million_rows(job: str) -> None:
    rows = 10_000_000
    assert growth(job, rows, width=8) < 256 + rows * NOISE[job]
