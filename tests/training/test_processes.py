from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import two_processes
from two_processes import ALIKE

from diffeo.training.data import Rows
from diffeo.training.processes import Processes, joined, local_device

gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="torch was built without gloo, by which processes on the CPU talk",
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes of one torchrun found; a start costs seconds, so there is one."""
    folder = tmp_path_factory.mktemp("two")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *command, two_processes.__file__, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text("utf-8")) for rank in range(2)]


def assert_losses_close(some: list[list[float]], others: list[list[float]]) -> None:
    # without validation rows there is no second loss
    one, other = (np.array(losses, dtype=np.float64) for losses in (some, others))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def assert_close(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert_losses_close(one["losses"], other["losses"])
    for name in ("stopped", "best_epoch", "rollbacks"):
        assert one[name] == other[name], name
    assert one["weights"].keys() == other["weights"].keys()
    for name, values in one["weights"].items():
        np.testing.assert_allclose(values, other["weights"][name], rtol=1e-7, atol=1e-8)


# -- the same result as of one process -----------------------------------------------------------


@gloo
@pytest.mark.parametrize("name", ALIKE)
def test_two_processes_do_what_one_does(name: str, both: list[dict[str, Any]], tmp_path: Path):
    alone = ALIKE[name](tmp_path)
    assert both[0][name] == both[1][name]
    assert_close(both[0][name], alone)


@gloo
def test_the_cases_are_what_they_are_called(both: list[dict[str, Any]]):
    found = both[0]
    assert found["early stopping"]["stopped"] == "patience"
    assert found["early stopping"]["best_epoch"] < len(found["early stopping"]["losses"])
    assert found["rolled back"]["rollbacks"] == 1
    started = [v for n, v in found["plain"]["weights"].items() if n.endswith("initialized")]
    assert started == [1.0, 1.0]
    assert found["resumed"]["losses"] == found["plain"]["losses"]
    assert_losses_close(found["reversible"]["losses"], found["plain"]["losses"])


@gloo
def test_a_group_of_the_caller_is_used_and_left_alone(both: list[dict[str, Any]]):
    assert both[0]["own group"] == both[0]["plain"] == both[1]["own group"]


# -- what differs, and what must not -------------------------------------------------------------


@gloo
def test_statistics_of_batches_end_alike(both: list[dict[str, Any]]):
    assert both[0]["statistics"] == both[1]["statistics"]


@gloo
def test_each_process_draws_its_own_noise(both: list[dict[str, Any]]):
    assert not set(both[0]["draws"]) & set(both[1]["draws"])


@gloo
def test_the_first_process_alone_reports(both: list[dict[str, Any]]):
    assert [found["called"] for found in both] == [[1, 2, 3, 4], []]


@gloo
def test_time_and_interruption_stop_all(both: list[dict[str, Any]]):
    assert [found["interrupted"] for found in both] == ["interrupted"] * 2
    assert both[0]["max_time"] == both[1]["max_time"]
    assert len(both[0]["max_time"]) == 1


# -- errors --------------------------------------------------------------------------------------


@gloo
@pytest.mark.parametrize(
    ("name", "rank", "error"),
    [
        ("one fails", 1, "ValueError: no"),
        ("one fails before", 1, "DataError: sample_weight must have shape"),
        ("one fails after", 0, "OSError: full"),
        ("other rows", 1, "TrainingError: fit: process 1 was given other rows than process 0"),
        ("other options", 1, "TrainingError: fit: process 1 was given other options"),
    ],
)
def test_an_error_of_one_ends_all(name: str, rank: int, error: str, both: list[dict[str, Any]]):
    assert both[rank][name].startswith(error)
    assert f"fit: process {rank} of the 2 that train together ended" in both[1 - rank][name]


# -- without others ------------------------------------------------------------------------------


def test_shares_are_all_rows_once():
    rows = Rows(torch.arange(7.0)[:, None])
    for size in (1, 2, 3, 9):
        shares = [Processes(rank, size).share(rows) for rank in range(size)]
        assert torch.equal(torch.cat([s.x for s in shares]), rows.x)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        weights = sum(Processes(rank, size)._weight(rows) for rank in range(size))
        assert weights == pytest.approx(1.0)


def test_one_process_of_torchrun_is_one_process(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", "1")
    with joined(torch.device("cpu")) as processes:
        assert not processes.several
        assert processes.first
        assert processes.stream == ()


def test_cuda_is_the_device_of_the_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "3")
    device = torch.device
    assert local_device(device("cuda")) == device("cuda:3")
    assert local_device(device("cuda:1")) == device("cuda:1")
    assert local_device(device("cpu")) == device("cpu")
