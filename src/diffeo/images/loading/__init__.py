"""Images from arrays, files and folders."""

from diffeo.images.loading.front import load_images

__all__ = ["load_images"]
