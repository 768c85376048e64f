from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from image_examples import pixels

from diffeo.errors import DataError
from diffeo.images import ImageData, split_images


def test_a_subset_keeps_images_and_labels_together():
    data = ImageData(pixels(6, 3, 4, 5), np.arange(6), names=tuple("abcdef"), source="s")
    for indices in ([4, 1], torch.tensor([4, 1]), np.array([4, 1])):
        part = data.subset(indices)
        np.testing.assert_array_equal(part.pixels, data.pixels[[4, 1]])
        assert part.labels.tolist() == [4, 1]
        assert (part.names, part.source, part.bits) == (data.names, "s", 8)
    assert data.subset(slice(1, 4)).labels.tolist() == [1, 2, 3]
    assert data.subset(data.labels > 3).labels.tolist() == [4, 5]
    assert data.image_shape == (3, 4, 5)
    assert len(data) == 6
    with pytest.raises(IndexError, match="6"):
        data.subset([6])


def test_quantised_pixels_are_their_leading_bits():
    data = ImageData(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16))
    five = data.quantized(5)
    assert five.bits == 5
    np.testing.assert_array_equal(five.pixels.ravel(), np.arange(256) // 8)
    np.testing.assert_array_equal(data.quantized(8).pixels, data.pixels)
    deep = ImageData(pixels(2, 1, 4, 4, top=4095), bits=12).quantized(8)
    assert deep.pixels.dtype == np.uint8
    assert deep.pixels.max() == 255
    with pytest.raises(ValueError, match="5 bits have no 8"):
        five.quantized(8)


@pytest.mark.parametrize("bits", [0, 17, True, 2.5, "8"])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ValueError, match="bits must be a whole number from 1 to 16"):
        ImageData(pixels(2, 1, 4, 4), bits=bits)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pixels": pixels(2, 4, 4)}, r"shape \(N, C, H, W\), got \(2, 4, 4\)"),
        ({"pixels": pixels(2, 1, 4, 4).astype(np.float32)}, "array of uint8, got float32"),
        ({"pixels": pixels(2, 1, 4, 4), "bits": 12}, "12 bits are a numpy array of uint16"),
        ({"pixels": torch.zeros(2, 1, 4, 4)}, "got torch.float32"),
        (
            {"pixels": np.full((2, 1, 3, 3), 200, np.uint8), "bits": 5},
            r"image 0 holds 200 at \[0, 0, 0\], outside 0 to 31 \(bits=5\).*quantized",
        ),
        ({"pixels": pixels(2, 1, 4, 4), "labels": np.arange(3)}, r"shape \(2,\).* got \(3,\)"),
        ({"pixels": pixels(2, 1, 4, 4), "labels": np.array([0, -1])}, "image 1 has the label -1"),
        ({"pixels": pixels(2, 1, 4, 4), "labels": np.array([0, 0.5])}, "image 1 has the label 0.5"),
        (
            {"pixels": pixels(2, 1, 4, 4), "labels": np.array([0, np.nan])},
            "image 1 has the label nan",
        ),
        ({"pixels": pixels(2, 1, 4, 4), "labels": np.array(["a", "b"])}, "whole numbers.*<U1"),
        (
            {"pixels": pixels(2, 1, 4, 4), "labels": np.array([0, 3]), "names": ("a", "b", "c")},
            r"image 1 has the label 3; .* from 0 to 2 \(3 classes\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_source_and_place(given, message):
    with pytest.raises(DataError, match="there: .*" + message):
        ImageData(**given, source="there")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, bool, np.uint64])
def test_labels_become_int64(dtype):
    labels = ImageData(pixels(2, 1, 4, 4), np.array([0, 1], dtype)).labels
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1]


def test_a_split_is_a_partition_that_its_seed_decides():
    # every image tells its number
    data = ImageData(np.arange(100, dtype=np.uint8).repeat(4).reshape(100, 1, 2, 2))
    train, held_out = split_images(data, 0.25, seed=3)
    numbers = [part.pixels[:, 0, 0, 0].tolist() for part in (train, held_out)]
    assert [len(n) for n in numbers] == [75, 25]
    assert sorted(numbers[0] + numbers[1]) == list(range(100))
    assert numbers[1] != list(range(25))
    again = split_images(data, 0.25, seed=3)[1].pixels
    np.testing.assert_array_equal(again, held_out.pixels)
    assert (split_images(data, 0.25, seed=4)[1].pixels != again).any()


@pytest.mark.parametrize("share", [0.1, 0.15, 0.5])
def test_a_split_takes_the_same_share_of_every_class(share):
    sizes = np.array([500, 100, 40, 3])
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), sizes))
    numbers = np.arange(len(labels), dtype=np.uint16)
    data = ImageData(numbers[:, None, None, None], labels, bits=16)
    train, held_out = split_images(data, share, seed=0)
    assert len(held_out) == round(share * len(data))
    found = np.bincount(held_out.labels, minlength=4)
    assert (np.abs(found - share * sizes) <= 1).all(), found
    both = np.concatenate([train.pixels, held_out.pixels]).ravel()
    assert sorted(both.tolist()) == numbers.tolist()
    for part in (train, held_out):
        np.testing.assert_array_equal(part.labels, labels[part.pixels.ravel()])
    other = split_images(data, share, seed=1)[1]
    assert (other.pixels != held_out.pixels).any()


def test_a_split_leaves_something_on_both_sides():
    data = ImageData(pixels(2, 1, 4, 4), np.array([0, 1]))
    for share in (0.01, 0.99):
        assert [len(part) for part in split_images(data, share, seed=0)] == [1, 1]
    with pytest.raises(DataError, match=re.escape("only: 1 images cannot be split")):
        split_images(ImageData(pixels(1, 1, 4, 4), source="only"), 0.5, seed=0)
    with pytest.raises(ValueError, match=r"share in \(0, 1\), got 2"):
        split_images(data, 2, seed=0)
