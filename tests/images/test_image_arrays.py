"""Arrays in every layout and dtype, and .npy and .npz files."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from image_examples import pixels, real_file

from diffeo.errors import DataError
from diffeo.images import load_images


@given(
    st.integers(1, 4),
    st.sampled_from([1, 3, 4]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["numpy", "torch", "float", "reversed", "fortran"]),
)
def test_the_axis_of_one_three_or_four_is_that_of_the_channels(count, channels, height, width, as_):
    expected = pixels(count, channels, height, width)

    def given_as(array):
        if as_ == "torch":
            return torch.from_numpy(np.ascontiguousarray(array))
        if as_ == "float":
            return (array / 255).astype(np.float32)
        if as_ == "reversed":
            return array[::-1].copy()[::-1]
        return np.asfortranarray(array) if as_ == "fortran" else array

    for layout, array, other in (
        ("first", expected, width),
        ("last", expected.transpose(0, 2, 3, 1), height),
    ):
        if other in (1, 3, 4):
            with pytest.raises(DataError, match=r"may be \(N, C, H, W\) or \(N, H, W, C\).*ImageD"):
                load_images(given_as(array))
        else:
            found = load_images(given_as(array))
            assert found.pixels.dtype == np.uint8, layout
            np.testing.assert_array_equal(torch.from_numpy(found.pixels), expected)
    if channels == 1 and width not in (1, 3, 4):
        np.testing.assert_array_equal(load_images(given_as(expected[:, 0])).pixels, expected)


@pytest.mark.parametrize("bits", [1, 3, 5, 8, 12, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_shares_of_the_highest_level(bits, dtype):
    top = 2**bits - 1
    levels = np.arange(top + 1).repeat(25)[: (top + 1) // 5 * 25 or 25].reshape(-1, 1, 5, 5)
    for share in (levels.astype(dtype) / dtype(top), levels.astype(dtype) * dtype(1 / top)):
        found = load_images(share, bits=bits)
        np.testing.assert_array_equal(found.pixels, levels)
        assert found.pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)


def test_half_floats_are_read_and_bfloat16_of_too_few_digits_refused():
    levels = torch.arange(256).reshape(-1, 1, 8, 8)
    for dtype in (torch.float16, torch.float32):
        found = load_images((levels / 255).to(dtype))
        np.testing.assert_array_equal(found.pixels, levels)
    with pytest.raises(DataError, match="multiples of 1/255"):
        load_images((levels / 255).bfloat16())


def test_whole_numbers_of_any_dtype_are_levels():
    levels = pixels(3, 3, 5, 6)
    for dtype in (np.int8, np.int64, np.uint16, ">i4", np.float32, np.float64):
        given = levels // 2 if dtype == np.int8 else levels
        np.testing.assert_array_equal(load_images(given.astype(dtype)).pixels, given)
    digits = pixels(3, 8, 8, top=16).astype(float)
    assert load_images(digits, bits=5).pixels.max() == 16
    mask = levels > 100
    assert load_images(mask).bits == 1
    np.testing.assert_array_equal(load_images(mask).pixels, mask)
    deep = load_images(pixels(2, 5, 5, top=4000), bits=12)
    assert deep.pixels.dtype == np.uint16
    assert deep.pixels.max() == 4000


def test_pixels_are_shared_where_torch_could_take_them():
    given = pixels(3, 3, 5, 6)
    assert np.shares_memory(load_images(given).pixels, given)
    given.setflags(write=False)
    assert load_images(given).pixels.flags.writeable


def test_labels_of_an_array():
    data = load_images(pixels(3, 5, 5), labels=torch.tensor([2, 0, 1]))
    assert data.labels.tolist() == [2, 0, 1]


def _bad(value: float, dtype: type = np.float64) -> np.ndarray:
    array = np.zeros((4, 1, 5, 5), dtype)
    array[2, 0, 1, 3] = value
    return array


@pytest.mark.parametrize(
    ("array", "bits", "message"),
    [
        (np.zeros((5, 784)), None, r"\(5, 784\); reshape"),
        (np.zeros((5, 2, 6, 6)), None, "no axis of 1, 3 or 4"),
        (np.zeros((28, 28, 3), np.uint8), None, r"may be one image \(H, W, C\)"),
        (np.zeros((0, 28, 28), np.uint8), None, "holds no images"),
        (np.zeros((5, 0, 28), np.uint8), None, "holds no images"),
        (np.zeros((5, 6, 6), complex), None, "complex128"),
        (np.zeros((5, 6, 6), object), None, "object values"),
        (_bad(np.nan), None, r"image 2 holds nan at \[0, 1, 3\]"),
        (_bad(np.inf), None, r"image 2 holds inf at \[0, 1, 3\]"),
        (_bad(-1.0), None, r"from -1 to 0;.*undo the normalisation"),
        (_bad(0.3), None, r"image 2 holds 0.3 at \[0, 1, 3\].*multiples of 1/255"),
        (_bad(0.4), 5, r"image 2 holds 0.4 .*multiples of 1/31 \(bits=5\)"),
        (_bad(7.5), None, r"image 2 holds 7.5 at .*whole numbers"),
        (_bad(300.0), None, r"image 2 holds 300.* outside 0 to 255"),
        (_bad(1e30), None, r"image 2 holds 1e\+30 .*outside 0 to 255"),
        (_bad(200, np.uint8), 5, r"image 2 holds 200 at \[0, 1, 3\], outside 0 to 31 \(bits=5\)"),
        (_bad(-3, np.int16), None, "image 2 holds -3"),
        (_bad(300, np.int64), None, "int64 values up to 300.*bits=9"),
        (_bad(70000, np.int64), 16, "image 2 holds 70000"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, bits, message, tmp_path):
    with pytest.raises(DataError, match="the array.*" + message):
        load_images(array, bits=bits)
    if array.dtype == object:
        message = "objects, which are pickles and never loaded"
    path = tmp_path / "some.npy"
    np.save(path, array)
    with pytest.raises(DataError, match=re.escape(str(path)) + ".*" + message):
        load_images(path, bits=bits)
    np.savez(tmp_path / "some.npz", x=array)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "some.npz")) + ".*" + message):
        load_images(tmp_path / "some.npz", bits=bits)


def test_what_is_no_array_or_path_is_refused():
    with pytest.raises(DataError, match="got list"):
        load_images([[1, 2]])
    with pytest.raises(DataError, match=r"the array is not split.*split='train'"):
        load_images(pixels(3, 5, 5), split="train")
    with pytest.raises(ValueError, match="'train', 'validation', 'test', got 'tset'"):
        load_images(pixels(3, 5, 5), split="tset")
    with pytest.raises(DataError, match="the array: labels='y' names an array"):
        load_images(pixels(3, 5, 5), labels="y")
    with pytest.raises(ValueError, match="bits must be"):
        load_images(pixels(3, 5, 5), bits=0)


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["x", "y"], None, ("x", "y")),
        (["images", "labels"], None, ("images", "labels")),
        (["anything"], None, ("anything", None)),
        (["x_train", "y_train", "x_test", "y_test"], "test", ("x_test", "y_test")),
        (["X_train", "Y_train", "X_test", "Y_test"], "train", ("X_train", "Y_train")),
        (
            ["train_images", "train_labels", "val_images", "val_labels"],
            "val",
            ("val_images", "val_labels"),
        ),
        (["x_train", "y_train", "x_test"], "test", ("x_test", None)),
        (["x_train", "y_train"], None, ("x_train", "y_train")),
        (["x", "y", "x_test", "y_test"], None, ("x", "y")),
    ],
)
def test_images_and_labels_of_an_archive_are_found_by_name(names, split, expected, tmp_path):
    images = {n: pixels(3, 5, 5, seed=i) for i, n in enumerate(names)}
    labels = {n: np.array([i, 0, 9]) for i, n in enumerate(names)}
    is_image = lambda name: name[0] in "xXia" or "images" in name  # noqa: E731
    np.savez(tmp_path / "a.npz", **{n: images[n] if is_image(n) else labels[n] for n in names})
    data = load_images(tmp_path / "a.npz", split=split)
    np.testing.assert_array_equal(data.pixels[:, 0], images[expected[0]])
    if expected[1] is None:
        assert data.labels is None
    else:
        assert data.labels.tolist() == labels[expected[1]].tolist()


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        (["x_train", "x_test"], None, "train and test images; pass split='train' or split='test'"),
        (["x_train", "x_test"], "validation", "train and test images, but no validation images"),
        (["x"], "train", "not split into train and test.*split_images"),
        (["x", "images"], None, "holds 'x' and 'images': which"),
        (
            ["some", "thing"],
            None,
            r"holds some \(3, 5, 5\), thing \(3, 5, 5\); call the images 'x'",
        ),
    ],
)
def test_archives_without_the_images_wanted_are_refused(names, split, message, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{n: pixels(3, 5, 5) for n in names})
    with pytest.raises(DataError, match=re.escape(str(path)) + ".*" + message):
        load_images(path, split=split)


def test_labels_of_an_archive_may_be_named_or_given(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=pixels(3, 5, 5), char=np.array([5, 6, 7], np.uint16))
    assert load_images(path).labels is None
    assert load_images(path, labels="char").labels.tolist() == [5, 6, 7]
    assert load_images(path, labels=np.array([1, 2, 0])).labels.tolist() == [1, 2, 0]
    with pytest.raises(DataError, match=r"a\.npz holds x \(3, 5, 5\), char \(3,\), but no .*'cha'"):
        load_images(path, labels="cha")
    with pytest.raises(DataError, match=r"a\.npz \(x\): labels have the shape"):
        load_images(path, labels=np.arange(4))


def test_a_scale_says_how_many_bits_whole_numbers_have(tmp_path):
    np.savez(tmp_path / "a.npz", x=pixels(3, 5, 5, top=900).astype(np.int16), scale=2000)
    assert load_images(tmp_path / "a.npz").bits == 11
    assert load_images(tmp_path / "a.npz", bits=12).bits == 12


def _header_only(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def _damaged(tmp_path: Path) -> dict[str, bytes]:
    np.save(tmp_path / "good.npy", pixels(50, 9, 9))
    np.savez_compressed(tmp_path / "good.npz", x=pixels(50, 9, 9))
    npy, npz = (tmp_path / "good.npy").read_bytes(), (tmp_path / "good.npz").read_bytes()
    flipped = bytearray(npz)
    flipped[len(npz) // 2] ^= 0xFF
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w") as zipped:
        zipped.writestr("x.npy", _header_only((10**6, 10**5, 100)) + bytes(100))
    return {
        "empty.npy": b"",
        "cut.npy": npy[:-10],
        "head.npy": npy[:30],
        "lying.npy": _header_only((10**6, 10**5, 100)) + bytes(100),
        "negative.npy": _header_only((-1, 5, 5)) + bytes(25),
        "unclosed.npy": npy.replace(b"(50, 9, 9)", b"((50, 9, 9"),
        "text.npy": b"hello world, this is no array",
        "empty.npz": b"",
        "cut.npz": npz[:-30],
        "flipped.npz": bytes(flipped),
        "lying.npz": lying.getvalue(),
    }


@pytest.mark.parametrize("name", ["empty", "cut", "head", "lying", "negative", "unclosed", "text"])
def test_a_damaged_npy_file_is_refused_by_name(name, tmp_path):
    path = tmp_path / f"{name}.npy"
    path.write_bytes(_damaged(tmp_path)[path.name])
    with pytest.raises(DataError, match=re.escape(str(path)) + " is damaged"):
        load_images(path)


@pytest.mark.parametrize("name", ["empty", "cut", "flipped", "lying"])
def test_a_damaged_npz_file_is_refused_by_name(name, tmp_path):
    path = tmp_path / f"{name}.npz"
    path.write_bytes(_damaged(tmp_path)[path.name])
    with pytest.raises(DataError, match=re.escape(str(path)) + " is damaged"):
        load_images(path)


def test_real_archives_are_read():
    mnist = load_images(real_file("mnist.npz"), split="test")
    assert (mnist.image_shape, len(mnist), mnist.bits) == ((1, 28, 28), 10_000, 8)
    assert np.bincount(mnist.labels)[:3].tolist() == [980, 1135, 1032]
    frey = load_images(real_file("freyfaces.npz"))
    assert (frey.image_shape, len(frey), frey.labels) == ((1, 28, 20), 1965, None)


def test_real_digits_on_a_scale_of_two_thousand_have_eleven_bits():
    usps = load_images(real_file("usps.npz"), split="test")
    assert (usps.bits, usps.pixels.dtype, usps.pixels.max()) == (11, np.uint16, 2000)
    assert usps.quantized(8).pixels.max() == 250
