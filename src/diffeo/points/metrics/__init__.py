"""How far clouds, and sets of clouds, are from each other. Needs scipy (``diffeo[points]``)."""

from diffeo.points.metrics.distances import (
    Distance,
    chamfer_distance,
    distance_matrix,
    earth_movers_distance,
    surface_distances,
)
from diffeo.points.metrics.occupancy import occupancy_divergence
from diffeo.points.metrics.sets import SetComparison, compare_sets

__all__ = [
    "Distance",
    "SetComparison",
    "chamfer_distance",
    "compare_sets",
    "distance_matrix",
    "earth_movers_distance",
    "occupancy_divergence",
    "surface_distances",
]
