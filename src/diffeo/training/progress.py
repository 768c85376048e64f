"""The progress bar of ``fit``."""

from __future__ import annotations

import importlib.util
from types import TracebackType
from typing import Any

__all__ = ["Progress", "open_bar"]


def open_bar(enabled: bool, **options: Any) -> Any:
    """A tqdm bar; None without tqdm, or where it is not wanted."""
    if not enabled or importlib.util.find_spec("tqdm") is None:
        return None
    from tqdm.auto import tqdm

    return tqdm(**options)


class Progress:
    """A bar with epoch, train and validation loss and time left; silent without tqdm."""

    def __init__(self, epochs: int, done: int, enabled: bool) -> None:
        self._bar = open_bar(
            enabled,
            total=epochs,
            initial=done,
            desc="fit",
            bar_format="{desc} |{bar:20}| epoch {n_fmt}/{total_fmt} "
            "[{elapsed} passed, at most {remaining} left]",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def epoch(self, train: float, validation: float | None, best: float | None) -> None:
        """Advance by one epoch."""
        if self._bar is None:
            return
        text = f"loss: train {train:.4f}"
        if validation is not None:
            text += f", validation {validation:.4f} (best {best:.4f})"
        self._bar.set_description_str(text, refresh=False)
        self._bar.update()
