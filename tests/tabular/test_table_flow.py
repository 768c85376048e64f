"""TableFlow: what its contract promises, on a table of every kind of column with holes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch
from table_examples import DERIVED, QUICK, fitted, mixed_table, small_flow

import diffeo
from diffeo import TableFlow
from diffeo.training import loop

TABLE = mixed_table()


def test_columns_are_typed_and_known_ones_left_out() -> None:
    flow = fitted()
    assert flow.schema.names == list(TABLE.columns.drop(list(DERIVED)))
    assert set(flow.schema.derived) == set(DERIVED)
    kinds = {name: flow.schema.column(name).kind for name in flow.schema.names}
    assert kinds["hour"] == "circular"
    assert kinds["day"] == "datetime"
    assert flow.event_shape == (10,)
    assert flow.record["notes"] == list(flow.schema.notes)
    assert len(flow.record["notes"]) == 3
    assert flow.record["data"]["columns"] == flow.schema.names
    assert not flow.training


def test_log_prob_is_the_density_of_coordinates_with_their_slopes() -> None:
    flow = fitted()
    assert flow.typed is not None
    assert flow.density is not None
    log_prob = flow.log_prob(TABLE)
    assert log_prob.shape == (len(TABLE),)
    assert log_prob.dtype == np.float64
    assert np.isfinite(log_prob).all()
    where, log_slope = flow.typed.encode(TABLE)
    np.testing.assert_array_equal(log_prob, flow.density.log_prob(where) + log_slope.sum(1))
    # a unit of income that is a thousand times larger makes densities a thousand times smaller
    assert np.abs(log_slope).max() > 1
    np.testing.assert_allclose(flow.log_prob(TABLE, chunk_size=7), log_prob, rtol=2e-5)


def test_float64_says_the_same() -> None:
    wide = copy.deepcopy(fitted()).double()
    np.testing.assert_allclose(wide.log_prob(TABLE), fitted().log_prob(TABLE), atol=1e-2, rtol=1e-4)


def _file(path: Path, write: str) -> str:
    options = {"index": False} if write == "to_csv" else {}
    getattr(TABLE, write)(path, **options)
    return str(path)


TABLES: dict[str, Callable[[Path], Any]] = {
    "polars": lambda folder: polars.from_pandas(TABLE),
    "arrow": lambda folder: pyarrow.Table.from_pandas(TABLE),
    "dict": lambda folder: TABLE.to_dict("list"),
    "csv": lambda folder: _file(folder / "t.csv", "to_csv"),
    "parquet": lambda folder: _file(folder / "t.parquet", "to_parquet"),
    "path": lambda folder: Path(_file(folder / "t.csv", "to_csv")),
    "other order of columns": lambda folder: TABLE[TABLE.columns[::-1]],
    "further columns": lambda folder: TABLE.assign(other="x"),
    "without derived columns": lambda folder: TABLE.drop(columns=list(DERIVED)),
    "other index": lambda folder: TABLE.set_index(np.arange(len(TABLE))[::-1] * 3),
}


@pytest.mark.parametrize("form", TABLES)
def test_any_form_of_the_table_is_scored_alike(form: str, tmp_path: Path) -> None:
    found = fitted().log_prob(TABLES[form](tmp_path))
    np.testing.assert_array_equal(found, fitted().log_prob(TABLE))


# (polars knows no order of categories, and numbers them anew)
@pytest.mark.parametrize("form", ["arrow", "dict", "parquet", "csv"])
def test_any_form_of_the_table_is_fitted_alike(form: str, tmp_path: Path) -> None:
    flow = small_flow().fit(TABLES[form](tmp_path), **QUICK)
    np.testing.assert_array_equal(flow.log_prob(TABLE), fitted().log_prob(TABLE))


def test_rows_do_not_depend_on_each_other() -> None:
    whole = fitted().log_prob(TABLE)
    one = [fitted().log_prob(TABLE.iloc[[i]])[0] for i in range(5)]
    np.testing.assert_allclose(one, whole[:5], atol=1e-4)
    chosen = TABLE["city"] == "Rome"
    np.testing.assert_allclose(fitted().log_prob(TABLE[chosen]), whole[chosen], atol=1e-4)


COPIES: dict[str, Callable[[TableFlow, Path], Any]] = {
    "pickle": lambda flow, folder: pickle.loads(pickle.dumps(flow)),
    "deepcopy": lambda flow, folder: copy.deepcopy(flow),
    "file": lambda flow, folder: _saved(flow, folder / "m.safetensors"),
    "file of a copy": lambda flow, folder: _saved(
        _saved(flow, folder / "m.safetensors"), folder / "n.safetensors"
    ),
}


def _saved(flow: TableFlow, path: Path) -> Any:
    flow.save(path)
    return diffeo.load(path)


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_the_same(way: str, tmp_path: Path) -> None:
    flow = fitted()
    again = COPIES[way](flow, tmp_path)
    assert isinstance(again, TableFlow)
    assert again.schema == flow.schema
    assert again.record == flow.record
    assert np.array_equal(again.log_prob(TABLE), flow.log_prob(TABLE))
    pd.testing.assert_frame_equal(again.sample(9, seed=0), flow.sample(9, seed=0))
    pd.testing.assert_frame_equal(again.explain(TABLE), flow.explain(TABLE))


def test_a_file_of_a_flow_before_fit_keeps_what_was_told(tmp_path: Path) -> None:
    flow = _saved(small_flow(), tmp_path / "m.safetensors").fit(TABLE, **QUICK)
    assert flow.schema.column("hour").kind == "circular"
    np.testing.assert_array_equal(flow.log_prob(TABLE), fitted().log_prob(TABLE))


def test_loaded_flows_can_be_fitted_on(tmp_path: Path) -> None:
    again = _saved(fitted(), tmp_path / "m.safetensors")
    before = again.log_prob(TABLE).mean()
    again.fit(TABLE, epochs=6, progress=False)
    assert again.schema == fitted().schema
    assert again.log_prob(TABLE).mean() > before


def test_it_prints() -> None:
    assert repr(TableFlow()) == "TableFlow(log_prob: exact)"
    assert "(density): AnyOrderFlow(" in repr(fitted())


def test_seeds_of_weights_and_of_the_fit_decide_the_result() -> None:
    expected = fitted().log_prob(TABLE)
    torch.manual_seed(1234)
    assert np.array_equal(small_flow().fit(TABLE, **QUICK).log_prob(TABLE), expected)
    assert not np.array_equal(small_flow(seed=1).fit(TABLE, **QUICK).log_prob(TABLE), expected)
    assert not np.array_equal(small_flow().fit(TABLE, seed=1, **QUICK).log_prob(TABLE), expected)


def test_a_schema_can_be_handed_over() -> None:
    flow = TableFlow(fitted().schema, width=8, blocks=1, seed=0).fit(TABLE, **QUICK)
    assert flow.schema == fitted().schema


def test_validation_can_be_a_table_with_levels_never_seen() -> None:
    held_out = mixed_table(60, seed=1)
    held_out.loc[3, "city"] = "Paris"
    flow = small_flow().fit(TABLE, validation=held_out, **QUICK)
    assert flow.record["data"]["rows"] == len(TABLE)
    assert all(np.isfinite(epoch["validation"]) for epoch in flow.record["history"])
    none = small_flow().fit(TABLE, validation=None, **QUICK)
    assert all(epoch.get("validation") is None for epoch in none.record["history"])


def test_weights_of_rows_count() -> None:
    weight = (TABLE["city"] == "Bern").to_numpy().astype(float)
    flow = small_flow().fit(
        TABLE, sample_weight=weight, validation=None, epochs=25, lr=2e-2, progress=False
    )
    assert (flow.sample(300, seed=0)["city"] == "Bern").mean() > 0.9


class Stopping:
    """The training loss, which raises at its k-th call."""

    def __init__(self, call: int) -> None:
        self.left = call

    def __call__(self, model: Any, x: Any, context: Any, weight: Any) -> Any:
        self.left -= model.training
        if self.left == 0:
            raise RuntimeError("stopped")
        return model.loss(x, weight)


def test_a_stopped_fit_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    options = {"epochs": 5, "batch_size": 60, "progress": False}
    whole = small_flow().fit(TABLE, objective=Stopping(0), **options)
    with pytest.raises(RuntimeError, match="stopped"):
        small_flow().fit(TABLE, objective=Stopping(13), checkpoint=tmp_path, **options)
    resumed = small_flow().fit(TABLE, objective=Stopping(0), checkpoint=tmp_path, **options)
    assert np.array_equal(resumed.log_prob(TABLE), whole.log_prob(TABLE))
    assert resumed.record["history"] == whole.record["history"]


def test_the_objective_is_the_loss_of_any_order() -> None:
    explicit = small_flow().fit(TABLE, objective=Stopping(0), **QUICK)
    assert np.array_equal(explicit.log_prob(TABLE), fitted().log_prob(TABLE))


def test_the_record_is_in_the_units_of_log_prob() -> None:
    table = pd.DataFrame({"x": np.random.default_rng(0).lognormal(3.0, 1.0, 400)})
    flow = TableFlow(width=8, blocks=1, orders=1, seed=0)
    flow.fit(table[:300], validation=table[300:], epochs=3, progress=False)
    assert flow.schema.columns[0].kind == "positive"
    # of one order, log_prob is what training validates
    assert flow.record["best_loss"] == pytest.approx(-flow.log_prob(table[300:]).mean(), abs=1e-4)
    best = flow.record["history"][flow.record["best_epoch"] - 1]
    assert best["validation"] == flow.record["best_loss"]
    # columns of one have nothing to hide
    assert best["train"] == pytest.approx(-flow.log_prob(table[:300]).mean(), abs=0.2)
