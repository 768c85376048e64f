"""Clouds from files and to files."""

from diffeo.points.files.detect import holds_clouds
from diffeo.points.files.loading import load_clouds
from diffeo.points.files.saving import save_clouds

__all__ = ["holds_clouds", "load_clouds", "save_clouds"]
