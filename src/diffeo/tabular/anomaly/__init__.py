"""Rows that do not belong: scores, reasons by column, and p-values."""

from diffeo.tabular.anomaly.detector import AnomalyDetector
from diffeo.tabular.anomaly.p_values import conformal_p_values

__all__ = ["AnomalyDetector", "conformal_p_values"]
