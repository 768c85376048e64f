"""The progress bar of ``fit``."""

from __future__ import annotations

import importlib.util
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Bar", "Progress"]

Self = TypeVar("Self", bound="Bar")


class Bar:
    """A tqdm bar; silent without tqdm, or where it is not wanted."""

    def __init__(self, enabled: bool, **options: Any) -> None:
        self._bar: Any = None
        if enabled and importlib.util.find_spec("tqdm") is not None:
            from tqdm.auto import tqdm

            self._bar = tqdm(**options)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class Progress(Bar):
    """A bar with epoch, train and validation loss and time left."""

    def __init__(self, epochs: int, done: int, enabled: bool) -> None:
        super().__init__(
            enabled,
            total=epochs,
            initial=done,
            desc="fit",
            bar_format="{desc} |{bar:20}| epoch {n_fmt}/{total_fmt} "
            "[{elapsed} passed, at most {remaining} left]",
        )

    def epoch(self, train: float, validation: float | None, best: float | None) -> None:
        """Advance by one epoch."""
        if self._bar is None:
            return
        text = f"loss: train {train:.4f}"
        if validation is not None:
            text += f", validation {validation:.4f} (best {best:.4f})"
        self._bar.set_description_str(text, refresh=False)
        self._bar.update()
