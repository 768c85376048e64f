from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

BAD = {
    "epochs": [0, -1, 1.5, "ten", None],
    "patience": [0, "x", 2.5],
    "batch_size": [0, 1.5, None],
    "lr": [0, -1, np.inf, np.nan, "fast", None],
    "seed": ["a", 1.5, None],
    "clip": [0, -1.0, "x"],
    "ema": [0, 1, 2],
    "max_time": [0, -1],
    "compile": ["yes", 3],
    "precision": ["float16", torch.bfloat16],
    "schedule": ["linear", 3],
    "objective": ["nll"],
    "optimizer": ["adam"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, each in BAD.items() for v in each])
def test_options_out_of_range_are_named(small, table, name, value):
    with pytest.raises(ValueError, match=f"fit: {name} must be .*, got "):
        small().fit(table, progress=False, **{name: value})


def test_numbers_of_numpy_are_options_and_can_be_saved(small, table, tmp_path):
    numbers = {"epochs": np.int64(1), "seed": np.uint8(3), "batch_size": np.int32(100)}
    model = small().fit(table, lr=np.float32(1e-3), patience=None, progress=False, **numbers)
    model.save(tmp_path / "m.safetensors")
    assert model.record["options"]["epochs"] == 1


def test_the_record_names_callables(small, table):
    adamw = partial(torch.optim.AdamW, weight_decay=0.1)
    options = small().fit(table, epochs=1, optimizer=adamw, progress=False).record["options"]
    assert options["optimizer"] == "AdamW(weight_decay=0.1)"
    assert options["objective"] == "negative_log_likelihood"
    assert options["schedule"] == "cosine"
