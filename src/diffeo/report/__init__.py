"""Pictures of densities, samples and searches; needs matplotlib, in ``diffeo[report]``."""

from diffeo.report.density import plot_density
from diffeo.report.images import plot_image_table
from diffeo.report.pairs import plot_pairs
from diffeo.report.search import plot_search

__all__ = ["plot_density", "plot_image_table", "plot_pairs", "plot_search"]
