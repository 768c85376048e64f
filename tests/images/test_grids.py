from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from image_examples import pixels

from diffeo.errors import DataError, ShapeError
from diffeo.images import image_grid, write_png


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_every_image_stands_at_its_place_on_white(channels, padding):
    images = pixels(5, channels, 6, 4)
    grid = image_grid(images, columns=2, padding=padding)
    assert grid.dtype == np.uint8
    assert grid.shape == (3 * (6 + padding) + padding, 2 * (4 + padding) + padding, channels)
    rest = np.ones(grid.shape, bool)
    for i, image in enumerate(images):
        top, left = padding + i // 2 * (6 + padding), padding + i % 2 * (4 + padding)
        place = np.s_[top : top + 6, left : left + 4]
        np.testing.assert_array_equal(grid[place], image.transpose(1, 2, 0))
        rest[place] = False
    assert (grid[rest] == 255).all()


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (4, (2, 2)), (5, (2, 3)), (7, (3, 3))])
def test_grids_are_about_as_wide_as_high(count, shape):
    grid = image_grid(np.zeros((count, 1, 2, 2), np.uint8), padding=0)
    assert grid.shape == (2 * shape[0], 2 * shape[1], 1)


def test_levels_of_any_depth_become_bytes():
    levels = np.arange(32).reshape(1, 1, 4, 8)
    for images in (levels, torch.tensor(levels), levels + 0.999, torch.tensor(levels + 0.5).half()):
        grid = image_grid(images, padding=0, bits=5)
        np.testing.assert_array_equal(grid[..., 0], np.rint(levels[0, 0] * 255 / 31))
    assert image_grid(pixels(1, 1, 4, 4, top=65535), bits=16).max() == 255
    # what a flow over real pixels may draw
    wild = torch.tensor([-7.0, 0.5, 255.9, 300.0, float("inf"), -float("inf")]).reshape(1, 1, 1, 6)
    drawn = image_grid(wild.bfloat16().float(), padding=0)
    assert drawn.ravel().tolist() == [0, 0, 255, 255, 255, 0]
    assert image_grid(torch.full((1, 1, 2, 2), 9.0, dtype=torch.bfloat16), padding=0).max() == 9


@pytest.mark.parametrize(
    ("images", "given", "error", "message"),
    [
        (np.zeros((5, 8, 8)), {}, ShapeError, r"\(N, C, H, W\) .*got \(5, 8, 8\)"),
        (np.zeros((5, 2, 8, 8)), {}, ShapeError, "C = 1, 3 or 4"),
        (np.zeros((0, 1, 8, 8)), {}, ShapeError, r"got \(0, 1, 8, 8\)"),
        ([[1]], {}, ShapeError, "got list"),
        (np.full((2, 1, 2, 2), np.nan), {}, DataError, r"image 0 holds NaN at \[0, 0, 0\]"),
        (pixels(2, 1, 2, 2), {"bits": 5}, DataError, r"outside 0 to 31 \(bits=5\)"),
        (np.zeros((2, 1, 2, 2), bool), {}, DataError, "got bool"),
        (pixels(2, 1, 2, 2), {"columns": 0}, ValueError, "columns must be"),
        (pixels(2, 1, 2, 2), {"padding": -1}, ValueError, "padding must be .*got -1"),
        (pixels(2, 1, 2, 2), {"bits": 0}, ValueError, "bits must be"),
    ],
)
def test_what_is_no_grid_of_images_is_refused(images, given, error, message):
    with pytest.raises(error, match=message):
        image_grid(images, **given)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_is_written_without_loss(channels, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    grid = pixels(6, 5, channels)
    write_png(tmp_path / "grid.PNG", grid)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.PNG"]
    with image.open(tmp_path / "grid.PNG") as written:
        assert written.format == "PNG"
        np.testing.assert_array_equal(np.asarray(written).reshape(grid.shape), grid)


def test_what_is_no_picture_or_no_png_is_refused_by_name(tmp_path):
    for name in ("grid.jpg", "grid"):
        with pytest.raises(ValueError, match=re.escape(str(tmp_path / name)) + ": .*end in .png"):
            write_png(tmp_path / name, pixels(6, 5, 3))
    path = tmp_path / "grid.png"
    for grid in (pixels(6, 5), pixels(6, 5, 2), pixels(6, 5, 3).astype(float)):
        with pytest.raises(ShapeError, match=re.escape(str(path)) + ": a picture has the shape"):
            write_png(path, grid)
    with pytest.raises(OSError, match="its folder does not exist"):
        write_png(tmp_path / "none" / "grid.png", pixels(6, 5, 3))
    assert list(tmp_path.iterdir()) == []
