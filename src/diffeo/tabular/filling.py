"""Holes of a frame filled with what was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["filled"]


def filled(frame: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """The frame, with what was drawn in its holes."""
    filled = frame.copy()
    for name in drawn.columns:
        if name not in frame.columns:
            filled[name] = drawn[name]
        elif frame[name].isna().any():
            filled[name] = _merged(frame[name], drawn[name])
    return filled


def _merged(observed: pd.Series[Any], drawn: pd.Series[Any]) -> pd.Series[Any]:
    """One column in the dtype of the draws, unless what was observed does not fit into it."""
    merged = drawn.astype(object).where(observed.isna(), observed)
    try:
        typed = merged.astype(drawn.dtype)
    except (TypeError, ValueError):
        return merged.infer_objects()
    # a label never seen is in no category, and an integer cuts digits off
    kept = typed.astype(object)[observed.notna()] == merged[observed.notna()]
    return typed if kept.all() else merged.infer_objects()
