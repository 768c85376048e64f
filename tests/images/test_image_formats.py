"""The official formats: MNIST's idx, CIFAR-10's binary version, downsampled ImageNet's npz."""

from __future__ import annotations

import gzip
import pickle
import re

import numpy as np
import pytest
from image_examples import pixels, write_cifar, write_idx, write_imagenet

from diffeo.errors import DataError
from diffeo.images import load_images

IMAGES, LABELS = pixels(6, 7, 5), np.array([3, 0, 9, 1, 1, 2], np.uint8)


@pytest.mark.parametrize("ending", ["-idx3-ubyte", "-idx3-ubyte.gz", ".idx3-ubyte"])
def test_mnist_is_read_from_its_folder_and_files(ending, tmp_path):
    labels = ending.replace("idx3", "idx1")
    for part, seed in (("train", 1), ("t10k", 2)):
        write_idx(tmp_path / f"{part}-images{ending}", pixels(6, 7, 5, seed=seed))
        write_idx(tmp_path / f"{part}-labels{labels}", LABELS)
    for split, part, seed in (("train", "train", 1), ("test", "t10k", 2)):
        for data in (
            load_images(tmp_path, split=split),
            load_images(tmp_path / f"{part}-images{ending}"),
        ):
            np.testing.assert_array_equal(data.pixels[:, 0], pixels(6, 7, 5, seed=seed))
            assert data.pixels.flags.writeable
            assert data.labels.tolist() == LABELS.tolist()
            assert part in data.source
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + r" holds .*split='t"):
        load_images(tmp_path)


def test_idx_labels_may_be_missing_packed_or_given(tmp_path):
    path = write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte", IMAGES)
    assert load_images(tmp_path).labels is None
    assert load_images(tmp_path, labels=LABELS).labels.tolist() == LABELS.tolist()
    write_idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz", LABELS)
    assert load_images(path).labels.tolist() == LABELS.tolist()
    write_idx(path.with_name(path.name + ".gz"), IMAGES)
    assert load_images(tmp_path, split="train").source == str(path)
    write_idx(tmp_path / "emnist-digits-train-images-idx3-ubyte", IMAGES)
    with pytest.raises(DataError, match=r"emnist-digits.* and emnist-letters.*: which is meant"):
        load_images(tmp_path, split="train")


def _idx(shape: tuple[int, ...], content: bytes, magic: bytes = b"\0\0\x08\x03") -> bytes:
    return magic + np.array(shape, ">u4").tobytes() + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with"),
        (_idx((2, 3, 4), bytes(24), b"\0\0\x0d\x03"), "starts with 00000d03.*00000803"),
        (_idx((2, 3, 4), bytes(23)), r"damaged: its header says \(2, 3, 4\), so that 24 bytes"),
        (_idx((2, 3, 4), bytes(25)), "damaged.*more follow"),
        (_idx((2**32 - 1,) * 3, bytes(24)), "damaged: its header says"),
        (_idx((0, 3, 4), b""), "holds no images"),
    ],
)
def test_damaged_idx_files_are_refused_by_name(content, message, tmp_path):
    for name, data in (
        ("train-images-idx3-ubyte", content),
        ("train-images-idx3-ubyte.gz", gzip.compress(content)),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match=re.escape(str(path)) + " .*" + message):
            load_images(path)


def test_damaged_gzip_and_labels_of_other_images_are_refused_by_name(tmp_path):
    path = write_idx(tmp_path / "train-images-idx3-ubyte.gz", IMAGES)
    whole = path.read_bytes()
    for damaged in (whole[:-20], b"no gzip at all" + whole, whole[:30] + b"\xff" + whole[31:]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=re.escape(str(path)) + " is damaged"):
            load_images(path)
    path.write_bytes(whole)
    labels = write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS[:5])
    with pytest.raises(DataError, match=re.escape(str(labels)) + " holds 5 labels.* 6 images"):
        load_images(path)


def test_cifar_is_read_from_its_folder_and_files(tmp_path):
    batches = [pixels(n, 3, 32, 32, seed=n) for n in (2, 3)]
    for i, images in enumerate(batches, start=1):
        write_cifar(tmp_path / f"data_batch_{i}.bin", images, np.arange(len(images)) + i)
    write_cifar(tmp_path / "test_batch.bin", batches[0], np.array([9, 8]))
    names = [f"class{i}" for i in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    train = load_images(tmp_path, split="train")
    np.testing.assert_array_equal(train.pixels, np.concatenate(batches))
    assert train.labels.tolist() == [1, 2, 2, 3, 4]
    assert train.names == tuple(names)
    assert load_images(tmp_path, split="test").labels.tolist() == [9, 8]
    assert len(load_images(tmp_path / "data_batch_2.bin")) == 3
    (tmp_path / "data_batch_4.bin").write_bytes(b"")
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + " .*no batch 3"):
        load_images(tmp_path, split="train")


def test_damaged_cifar_files_are_refused_by_name(tmp_path):
    path = write_cifar(tmp_path / "data_batch_1.bin", pixels(4, 3, 32, 32), np.array([0, 1, 10, 2]))
    message = re.escape(str(path)) + ": image 2 has the label 10"
    for where in (path, tmp_path):
        with pytest.raises(DataError, match=message):
            load_images(where)
    for content in (b"", path.read_bytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(str(path)) + " has .*multiple of 3073"):
            load_images(path)


@pytest.mark.parametrize(
    "name", ["data_batch_1", "test_batch", "batches.meta", "train_data_batch_1", "a.pkl", "a.pt"]
)
def test_pickles_are_never_loaded(name, tmp_path):
    (tmp_path / name).write_bytes(pickle.dumps({b"data": [1]}))
    message = re.escape(str(tmp_path / name)) + " is a Python pickle.*binary version of CIFAR-10"
    with pytest.raises(DataError, match=message):
        load_images(tmp_path / name)
    if not name.startswith("a."):
        with pytest.raises(DataError, match=message):
            load_images(tmp_path, split="train")


@pytest.mark.parametrize("width", [32, 64])
def test_downsampled_imagenet_is_read_from_its_folder_and_files(width, tmp_path):
    batches = [pixels(n, 3, width, width, seed=n) for n in (2, 3)]
    labels = [np.array([1, 1000]), np.array([5, 6, 7])]
    for i in (0, 1):
        write_imagenet(tmp_path / f"train_data_batch_{i + 1}.npz", batches[i], labels[i])
    write_imagenet(tmp_path / "val_data.npz", batches[1], labels[1])
    train = load_images(tmp_path, split="train")
    np.testing.assert_array_equal(train.pixels, np.concatenate(batches))
    assert train.labels.tolist() == [0, 999, 4, 5, 6]
    for data in (load_images(tmp_path, split="validation"), load_images(tmp_path / "val_data.npz")):
        np.testing.assert_array_equal(data.pixels, batches[1])
        assert data.labels.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros(3)}, r"holds x \(3,\), a file of downsampled ImageNet"),
        ({"data": np.zeros((2, 3073), np.uint8), "labels": [1, 2]}, "width"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "'labels'"),
        ({"data": np.zeros((2, 3072)), "labels": [1, 2]}, "'data' is float64"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, r"'labels' is int64 of shape \(1"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 0]}, "image 1 has the label 0"),
    ],
)
def test_bad_imagenet_files_are_refused_by_name(content, message, tmp_path):
    path = tmp_path / "train_data_batch_1.npz"
    np.savez(path, **content)
    for where in (path, tmp_path):
        with pytest.raises(DataError, match=re.escape(str(path)) + ".*" + message):
            load_images(where)


def test_imagenet_files_of_two_sizes_are_refused_by_name(tmp_path):
    for i, width in ((1, 32), (2, 64)):
        path = tmp_path / f"train_data_batch_{i}.npz"
        write_imagenet(path, pixels(2, 3, width, width), np.array([1, 2]))
    with pytest.raises(DataError, match=r"batch_1\.npz holds .* 32 .*batch_2\.npz of 64"):
        load_images(tmp_path)


def test_a_stated_depth_holds_for_every_format(tmp_path):
    path = write_idx(tmp_path / "train-images-idx3-ubyte", pixels(6, 7, 5, top=31))
    data = load_images(path, bits=5)
    assert data.bits == 5
    with pytest.raises(DataError, match=re.escape(str(path)) + ": image .* outside 0 to 15"):
        load_images(path, bits=4)
    assert load_images(path, bits=12).pixels.dtype == np.uint16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one.png", "is one image; give the folder"),
        ("set.tar.gz", "is packed; unpack it"),
        ("table.csv", r"images are read from \.npy"),
    ],
)
def test_other_files_are_refused_by_name(name, message, tmp_path):
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / name)) + ".*" + message):
        load_images(tmp_path / name)
    for missing in ("none.npz", "none.npy", "none"):
        with pytest.raises(FileNotFoundError, match=missing):
            load_images(tmp_path / missing)
