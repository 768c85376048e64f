from __future__ import annotations

import torch

from diffeo.training import feeding
from diffeo.training.data import Rows
from diffeo.training.feeding import Feed

CPU, CUDA, META = torch.device("cpu"), torch.device("cuda:0"), torch.device("meta")


def test_rows_that_do_not_fit_come_batch_by_batch(monkeypatch):
    rows = Rows(torch.arange(12.0).reshape(6, 2), None, torch.ones(6))
    monkeypatch.setattr(feeding, "_fits", lambda *_: False)
    feed = Feed(rows, META)
    batch = feed.take(torch.tensor([4, 1]))
    assert feed.rows is rows
    assert (batch.x.device, batch.weight.device, batch.context) == (META, META, None)
    assert (batch.x.shape, len(feed)) == ((2, 2), 6)


def test_rows_may_take_half_of_the_free_memory(monkeypatch):
    rows = Rows(torch.zeros(6, 2), torch.zeros(6, 1))
    size = 6 * 3 * 4
    for free, fits in ((2 * size, True), (2 * size - 2, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, free))
        assert feeding._fits(rows, CUDA) is fits
    assert feeding._fits(rows, CPU)


def test_where_rows_wait_does_not_change_a_fit(small, table, monkeypatch):
    options = {"epochs": 2, "batch_size": 50, "progress": False}
    one = small().fit(table, **options).state_dict()
    monkeypatch.setattr(feeding, "_fits", lambda *_: False)
    other = small().fit(table, **options).state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
