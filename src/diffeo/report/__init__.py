"""Pictures of densities and samples; needs matplotlib, in ``diffeo[report]``."""

from diffeo.report.density import plot_density
from diffeo.report.pairs import plot_pairs

__all__ = ["plot_density", "plot_pairs"]
