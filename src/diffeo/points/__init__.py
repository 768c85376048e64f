"""Clouds of points: flows of their shapes, files, pictures and measures."""

from diffeo import storage
from diffeo.points.defaults import point_cloud_flow, surface_flow
from diffeo.points.drawing import draw_clouds, write_clouds
from diffeo.points.encoder import PointEncoder
from diffeo.points.files import load_clouds, save_clouds
from diffeo.points.fitting import fit_clouds
from diffeo.points.judging import cloud_scores
from diffeo.points.metrics import (
    SetComparison,
    chamfer_distance,
    compare_sets,
    distance_matrix,
    earth_movers_distance,
    occupancy_divergence,
    surface_distances,
)
from diffeo.points.model import PointCloudFlow
from diffeo.points.pictures import picture_clouds, view_clouds
from diffeo.points.point_data import PointData
from diffeo.points.reporting import point_report_content
from diffeo.points.splitting import split_clouds
from diffeo.points.summary import point_summary
from diffeo.points.thinning import thinned

__all__ = [
    "PointCloudFlow",
    "PointData",
    "PointEncoder",
    "SetComparison",
    "chamfer_distance",
    "cloud_scores",
    "compare_sets",
    "distance_matrix",
    "draw_clouds",
    "earth_movers_distance",
    "fit_clouds",
    "load_clouds",
    "occupancy_divergence",
    "picture_clouds",
    "point_cloud_flow",
    "point_report_content",
    "point_summary",
    "save_clouds",
    "split_clouds",
    "surface_distances",
    "surface_flow",
    "thinned",
    "view_clouds",
    "write_clouds",
]

storage.register(PointCloudFlow, PointEncoder)
