"""The progress bar of ``fit_posterior``."""

from __future__ import annotations

from diffeo.inference.target import Target
from diffeo.training.progress import Bar

__all__ = ["ElboProgress"]


class ElboProgress(Bar):
    """A bar over the budget of gradients, with the current ELBO.

    Attributes:
        stage: how often the flow has been trained, counting this time.
    """

    def __init__(self, target: Target, gradients: int, enabled: bool) -> None:
        super().__init__(
            enabled,
            total=gradients,
            desc="climbing to the modes",
            bar_format="{desc} |{bar:20}| {n_fmt} of at most {total_fmt} gradients [{elapsed}]",
            unit_scale=True,
        )
        self.stage = 1
        self._target, self._before = target, target.gradients

    def window(self, elbo: float) -> None:
        """Tell the smoothed ELBO, in nats."""
        if self._bar is None:
            return
        stage = f", flow grown {self.stage - 1} times" if self.stage > 1 else ""
        self._bar.set_description_str(f"ELBO {elbo:.3f}{stage}", refresh=False)
        self._bar.update(self._target.gradients - self._before - self._bar.n)
