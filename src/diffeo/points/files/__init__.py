"""Clouds from files and to files."""

from diffeo.points.files.loading import load_clouds
from diffeo.points.files.saving import save_clouds

__all__ = ["load_clouds", "save_clouds"]
