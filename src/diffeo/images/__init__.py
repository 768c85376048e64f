"""Images: loading them, and pictures of many."""

from diffeo import storage
from diffeo.images.bits import bits_per_dim
from diffeo.images.fitting import fit_images
from diffeo.images.grids import image_grid, write_png
from diffeo.images.image_data import ImageData
from diffeo.images.loading import load_images
from diffeo.images.model import ImageModel
from diffeo.images.reporting import image_report_content
from diffeo.images.splitting import split_images

__all__ = [
    "ImageData",
    "ImageModel",
    "bits_per_dim",
    "fit_images",
    "image_grid",
    "image_report_content",
    "load_images",
    "split_images",
    "write_png",
]

storage.register(ImageModel)
