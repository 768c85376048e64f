"""What a report on a fitted model shows, gathered from the model and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffeo.arrays import Floats, default_names
from diffeo.errors import DataError, import_extra
from diffeo.model import Model
from diffeo.tabular.columns import to_frame
from diffeo.tabular.surprise import surprise
from diffeo.tabular.table_flow import TableFlow

# the page is imported where it is made: whoever fits a table need not wait for it
if TYPE_CHECKING:
    import pandas as pd

    from diffeo.report.page import Anomalies, ColumnLike, ReportContent

__all__ = ["report_content"]

# samples to compare with, between which and which
FEWEST_SAMPLES, MOST_SAMPLES = 1000, 20_000
MOST_ANOMALIES = 20
# rows with holes of which the gap between patterns is estimated, and draws for each
GAP_ROWS, GAP_DRAWS = 200, 20
# nats beyond which that gap is a warning
LARGE_GAP = 0.1


def report_content(
    model: Model,
    data: Any,
    *,
    training: Any = None,
    title: str = "",
    made: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> ReportContent:
    """What ``write_report`` shows of a model of a table.

    Args:
        model: a fitted TableFlow, or any model of rows of numbers without context.
        data: rows to judge it by, best those it was not fitted to.
        training: rows it was fitted to, for baselines and the distance to the closest record;
            without them, baselines are fitted to one half of ``data`` and judged on the other.
        title: of the page.
        made: pairs of label and value, how the model was made.
        seed: of samples and subsamples.

    Raises:
        DataError: a model that is not of rows of a table, or tables without its columns.

    Example:
        >>> import diffeo, numpy as np
        >>> from diffeo.report.page import write_report
        >>> from diffeo.tabular import report_content
        >>> x = np.random.default_rng(0).normal(size=(300, 2))
        >>> flow = diffeo.TableFlow(width=16, seed=0).fit(x[:200], epochs=2, progress=False)
        >>> write_report(report_content(flow, x[200:], training=x[:200]), "report.html")
    """
    from diffeo.report.page import ReportContent

    frame = to_frame(data)
    fitted_to = None if training is None else to_frame(training)
    view = _TableView(model) if isinstance(model, TableFlow) else _NumberView(model)
    log_prob = {"this model": view.log_prob(frame), **_baselines(view, frame, fitted_to, seed)}
    count = min(max(len(frame), FEWEST_SAMPLES), MOST_SAMPLES)
    return ReportContent(
        title or f"Report: {type(model).__name__}",
        view.columns,
        summary=[*_summary(model), *view.facts(frame, seed)],
        made=[*made, *_made(model)],
        warnings=[*view.warnings(frame, seed), *_training_warnings(model)],
        history=model.record.get("history", []),
        loss_unit="nats a row" if model.loss_name == "nll" else f"of the {model.loss_name}",
        log_prob=log_prob,
        data=frame,
        samples=view.sample(count, seed),
        training=fitted_to,
        pit=view.pit(frame, seed),
        anomalies=view.anomalies(frame, log_prob["this model"]),
        seed=seed,
    )


class _TableView:
    """A TableFlow as the report asks for it."""

    def __init__(self, flow: TableFlow) -> None:
        self.flow = flow
        self.columns: list[ColumnLike] = list(flow.schema.columns)
        self._gap: float | None = None

    def log_prob(self, frame: pd.DataFrame) -> Floats:
        found: Floats = self.flow.log_prob(frame)
        return found

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        drawn: pd.DataFrame = self.flow.sample(n, seed=seed)
        return drawn

    def pit(self, frame: pd.DataFrame, seed: int) -> Floats:
        return self.flow.pit(frame, seed=seed).to_numpy()

    def facts(self, frame: pd.DataFrame, seed: int) -> list[tuple[str, str]]:
        measure = "length for continuous columns, counting for all others"
        gap = self._pattern_gap(frame, seed)
        told = [] if gap is None else [("gap between patterns of holes", f"{gap:+.3f} nats a row")]
        return [("measure", measure), *told]

    def warnings(self, frame: pd.DataFrame, seed: int) -> list[str]:
        schema = self.flow.schema
        found = [note[0].upper() + note[1:] + "." for note in schema.notes]
        broken = int(schema.contradictions(frame).sum())
        if broken:
            found.append(
                f"{broken:,} of {len(frame):,} rows break a relation between columns that held in "
                f"every row of the fit."
            )
        gap = self._pattern_gap(frame, seed)
        if gap is not None and abs(gap) > LARGE_GAP:
            found.append(
                f"Rows with holes are scored {gap:+.2f} nats from the marginal density of the "
                f"model of complete rows; compare rows of one pattern only."
            )
        return found

    def _pattern_gap(self, frame: pd.DataFrame, seed: int) -> float | None:
        """Mean of log_prob less log_marginal over rows with holes."""
        holed = frame[frame[self.flow.schema.names].isna().any(axis=1)].head(GAP_ROWS)
        if not len(holed):
            return None
        if self._gap is None:
            marginal = self.flow.log_marginal(holed, num_samples=GAP_DRAWS, seed=seed)
            self._gap = float(np.mean(self.flow.log_prob(holed) - marginal))
        return self._gap

    def anomalies(self, frame: pd.DataFrame, log_prob: Floats) -> Anomalies:
        from diffeo.report.page import Anomalies

        found = surprise(self.flow, frame)
        worst = np.argsort(-found.scores, kind="stable")[:MOST_ANOMALIES]
        return Anomalies(
            frame.iloc[worst],
            found.scores[worst],
            None if found.p_values is None else found.p_values[worst],
            found.contributions.iloc[worst][self.flow.schema.names],
        )


class _NumberView:
    """A model of rows of numbers as the report asks for it."""

    def __init__(self, model: Model) -> None:
        from diffeo.report.page import ReportColumn

        if len(model.event_shape) != 1 or model.context:
            raise DataError(
                f"a report needs a model of rows of a table without context, but this "
                f"{type(model).__name__} has events of shape {model.event_shape} and a context of "
                f"width {model.context}"
            )
        known = model.record.get("data", {}).get("columns")
        self.model = model
        self.names: list[str] = known or default_names(model.event_shape[0], "x")
        self.columns: list[ColumnLike] = [ReportColumn(name) for name in self.names]

    def _rows(self, frame: pd.DataFrame) -> Floats:
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise DataError(f"the table has no column {absent[0]!r}, which the model needs")
        rows: Floats = frame[self.names].to_numpy(np.float64)
        return rows

    def log_prob(self, frame: pd.DataFrame) -> Floats:
        return np.asarray(self.model.log_prob(self._rows(frame)), dtype=np.float64)

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        pandas = import_extra("pandas", "tabular")
        generator = torch.Generator(self.model.like.device).manual_seed(seed)
        drawn = self.model.sample(n, seed=generator).double().cpu().numpy()
        frame: pd.DataFrame = pandas.DataFrame(drawn, columns=self.names)
        return frame

    def pit(self, frame: pd.DataFrame, seed: int) -> None:
        return None

    def facts(self, frame: pd.DataFrame, seed: int) -> list[tuple[str, str]]:
        return [("log_prob", self.model.exactness)]

    def warnings(self, frame: pd.DataFrame, seed: int) -> list[str]:
        return []

    def anomalies(self, frame: pd.DataFrame, log_prob: Floats) -> Anomalies:
        from diffeo.report.page import Anomalies

        worst = np.argsort(log_prob, kind="stable")[:MOST_ANOMALIES]
        return Anomalies(frame.iloc[worst][self.names], -log_prob[worst])


def _baselines(
    view: _TableView | _NumberView,
    frame: pd.DataFrame,
    fitted_to: pd.DataFrame | None,
    seed: int,
) -> dict[str, Floats]:
    from diffeo.report.page import baseline_log_probs

    if fitted_to is not None:
        return baseline_log_probs(fitted_to, frame, view.columns)
    if len(frame) < 4:
        return {}
    half = np.random.default_rng(seed).permutation(len(frame)) < len(frame) // 2
    found: dict[str, Floats] = {}
    for part in (half, ~half):
        for name, scores in baseline_log_probs(frame[~part], frame[part], view.columns).items():
            found.setdefault(name, np.empty(len(frame)))[part] = scores
    return found


def _summary(model: Model) -> list[tuple[str, str]]:
    numbers = sum(parameter.numel() for parameter in model.parameters())
    found = [("model", type(model).__name__), ("parameters", f"{numbers:,}")]
    data = model.record.get("data", {})
    if "rows" in data:
        held_out = data.get("validation_rows", 0)
        found.append(("rows of the fit", f"{data['rows']:,} trained on, {held_out:,} held out"))
    if "history" in model.record:
        epochs = f"{len(model.record['history'])}, best {model.record['best_epoch']}"
        found.append(("epochs", epochs))
    return found


def _made(model: Model) -> list[tuple[str, str]]:
    record = model.record
    versions = [(name, str(version)) for name, version in record.get("versions", {}).items()]
    seed = record.get("options", {}).get("seed")
    seconds = record.get("seconds")
    return [
        *([] if seed is None else [("seed", str(seed))]),
        *([] if seconds is None else [("seconds of the fit", f"{seconds:.1f}")]),
        *versions,
    ]


def _training_warnings(model: Model) -> list[str]:
    stopped, history = model.record.get("stopped"), model.record.get("history", [])
    if stopped == "interrupted":
        return ["The fit was interrupted; the best weights until then were kept."]
    if stopped == "max_time" and model.record.get("best_epoch") == len(history):
        return ["Time was up while the held-out loss still fell: a longer fit will be better."]
    return []
