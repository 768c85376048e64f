"""How strange rows are to a TableFlow, why, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.errors import import_extra
from diffeo.tabular.anomaly import conformal_p_values
from diffeo.tabular.columns import to_frame
from diffeo.tabular.table_flow import TableFlow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Surprise", "surprise"]

RELATIONS = "(exact relations)"
# a value that its column cannot have surprises as much as this, so that sums stay finite
IMPOSSIBLE = 100.0


@dataclass(frozen=True)
class Surprise:
    """Anomaly scores of rows.

    Attributes:
        scores: (rows,), in nats; larger is stranger.
        contributions: what each column adds to them, beyond what it usually does.
        p_values: (rows,), how often an ordinary row would score at least as high; None for a model
            that held out no rows.
    """

    scores: Floats
    contributions: pd.DataFrame
    p_values: Floats | None


def surprise(flow: TableFlow, data: Any) -> Surprise:
    """Anomaly scores of the rows of a table:

        score(x) = sum_i (-log p(x_i | all others in the row) - usual_i),

    the negative log-pseudo-likelihood in the model's own coordinates, column by column less its
    median over the rows that the fit held out. A row that breaks a relation that held in all n
    rows of the fit (a constant, a sum of parts) scores log(n + 2) more, by Laplace's rule of
    succession. P-values compare with the rows held out.

    Args:
        flow: a fitted TableFlow.
        data: a table with its columns; holes add nothing.

    Raises:
        DataError: as ``flow.log_prob``.

    Reference: "Statistical Analysis of Non-Lattice Data", Besag, 1975, The Statistician 24;
    "Testing for Outliers with Conformal p-values", Bates, Candes, Lei, Romano, Sesia, 2021,
    arXiv:2104.08279.

    Example:
        >>> import diffeo, numpy as np
        >>> from diffeo.tabular import surprise
        >>> x = np.random.default_rng(0).normal(size=(300, 1)) @ np.ones((1, 3))
        >>> x += 0.1 * np.random.default_rng(1).normal(size=x.shape)
        >>> flow = diffeo.TableFlow(width=32, seed=0).fit(x, epochs=30, progress=False)
        >>> found = surprise(flow, np.array([[1.0, 1.0, -1.0]]))
        >>> found.contributions.idxmax(axis=1)[0]
        'x2'
    """
    pandas = import_extra("pandas", "tabular")
    frame = to_frame(data)
    kept = flow.record.get("surprise")
    each = flow.column_surprise(frame)
    each = np.where(np.isinf(each), IMPOSSIBLE, each)
    if kept:
        # a hole tells nothing, and so is neither strange nor usual
        each = np.where(np.isnan(each), 0.0, each - np.array(kept["usual"]))
    contributions = pandas.DataFrame(np.nan_to_num(each), columns=flow.schema.names)
    if flow.schema.derived:
        rows = flow.record["data"]["rows"]
        broken = flow.schema.contradictions(frame)
        contributions[RELATIONS] = broken * math.log(rows + 2)
    scores = contributions.to_numpy().sum(1)
    p_values = conformal_p_values(kept["scores"], scores) if kept else None
    return Surprise(scores, contributions, p_values)
