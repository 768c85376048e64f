"""The report: one self-contained page about a model, drawn from plain arrays and frames.

Needs plotly (``diffeo[report]``), pandas and scikit-learn (``diffeo[tabular]``).
"""

from __future__ import annotations

from diffeo.report.page.baselines import baseline_log_probs
from diffeo.report.page.content import Anomalies, ColumnLike, ReportColumn, ReportContent
from diffeo.report.page.page import render_report, write_report

__all__ = [
    "Anomalies",
    "ColumnLike",
    "ReportColumn",
    "ReportContent",
    "baseline_log_probs",
    "render_report",
    "write_report",
]
