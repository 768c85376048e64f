"""Clouds of points: flows of their shapes, files, pictures and measures."""

from diffeo import storage
from diffeo.points.defaults import point_cloud_flow
from diffeo.points.encoder import PointEncoder
from diffeo.points.model import PointCloudFlow

__all__ = ["PointCloudFlow", "PointEncoder", "point_cloud_flow"]

storage.register(PointCloudFlow, PointEncoder)
