"""Clouds to files and back, and what is said of files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffeo.errors import DataError
from diffeo.points import PointData, load_clouds, save_clouds
from diffeo.points.files.detect import holds_clouds

RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(20, 3)).astype(np.float32)
HEADER = (
    "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
    "property float z\nend_header\n"
)


@pytest.mark.parametrize("suffix", [".ply", ".xyz", ".npy", ".npz"])
def test_a_cloud_comes_back_digit_by_digit(tmp_path, suffix):
    if suffix == ".ply":
        pytest.importorskip("trimesh")
    path = tmp_path / f"cloud{suffix}"
    save_clouds(path, CLOUD)
    data = load_clouds(path)
    assert (data.clouds[0] == CLOUD).all()
    assert str(path) in data.source


def test_sets_of_any_sizes_keep_labels_and_names(tmp_path):
    data = PointData([CLOUD, CLOUD[:7]], np.array([1, 0]), names=("chair", "sofa"))
    for clouds in (data, data.subset([0])):
        save_clouds(tmp_path / "set.npz", clouds)
        again = load_clouds(tmp_path / "set.npz")
        assert (again.sizes, again.names) == (clouds.sizes, clouds.names)
        assert again.labels.tolist() == clouds.labels.tolist()
        assert (again.clouds[-1] == clouds.clouds[-1]).all()


def test_a_folder_has_a_file_for_each_cloud_and_folders_are_classes(tmp_path):
    pytest.importorskip("trimesh")
    for name in ("chair", "sofa"):
        (tmp_path / "set").mkdir(exist_ok=True)
        save_clouds(tmp_path / "set" / name, [CLOUD, CLOUD[:5]])
    with pytest.raises(OSError, match="exists; clouds are written to a new folder"):
        save_clouds(tmp_path / "set" / "sofa", [CLOUD])
    data = load_clouds(tmp_path / "set")
    assert data.sizes == [20, 5, 20, 5]
    assert (data.labels.tolist(), data.names) == ([0, 0, 1, 1], ("chair", "sofa"))
    assert data.titles[3] == str(Path("sofa") / "001.ply")
    flat = [RNG.normal(size=(4, 2))] * 2
    save_clouds(tmp_path / "flat", flat)
    assert load_clouds(tmp_path / "flat").dim == 2


def test_parts_are_chosen_by_name(tmp_path):
    path = tmp_path / "parts.npz"
    np.savez(path, x_train=np.zeros((4, 5, 3)), x_test=np.ones((2, 5, 3)), y_test=[0, 1])
    assert len(load_clouds(path, split="train")) == 4
    assert load_clouds(path, split="test").labels.tolist() == [0, 1]
    with pytest.raises(DataError, match="holds train and test clouds; pass split='train'"):
        load_clouds(path)


def test_an_archive_of_other_names_has_a_cloud_in_each_array(tmp_path):
    np.savez(tmp_path / "meshes.npz", spot=CLOUD, bunny=CLOUD[:6])
    data = load_clouds(tmp_path / "meshes.npz")
    assert (data.titles, data.sizes) == (("spot", "bunny"), [20, 6])
    np.savez(tmp_path / "other.npz", table=np.zeros((5, 8)))
    with pytest.raises(DataError, match=r"holds table \(5, 8\); call the clouds 'x'"):
        load_clouds(tmp_path / "other.npz")


def test_arrays_tensors_and_lists():
    stack = torch.zeros(2, 5, 3)
    assert load_clouds(stack).sizes == load_clouds(stack.numpy()).sizes == [5, 5]
    assert load_clouds([[[0.0, 1.0]], [[2.0, 3.0], [4.0, 5.0]]]).sizes == [1, 2]
    assert load_clouds(CLOUD).sizes == [20]
    with pytest.raises(DataError, match="clouds come from an array, a list of arrays or a path"):
        load_clouds(3)
    with pytest.raises(DataError, match=r"got one of shape \(2, 5, 7\)"):
        load_clouds(np.zeros((2, 5, 7)))


def test_clouds_are_told_from_tables_and_images(tmp_path):
    shapes = {"clouds": (4, 9, 3), "flat": (4, 9, 2), "table": (9, 3), "images": (4, 9, 9)}
    for name, shape in shapes.items():
        np.save(tmp_path / f"{name}.npy", np.zeros(shape))
        np.savez(tmp_path / f"{name}.npz", x_train=np.zeros(shape), y_train=np.zeros(shape[0]))
    for suffix in ("npy", "npz"):
        found = [name for name in shapes if holds_clouds(tmp_path / f"{name}.{suffix}")]
        assert found == ["clouds", "flat"]
    np.savez(tmp_path / "meshes.npz", spot=CLOUD, bunny=CLOUD)
    assert holds_clouds(tmp_path / "meshes.npz")
    assert not holds_clouds(tmp_path)
    save_clouds(tmp_path / "a.xyz", CLOUD)
    assert holds_clouds(tmp_path)
    assert not holds_clouds(tmp_path / "none.npz")


def test_points_of_a_mesh_lie_on_its_faces(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    trimesh.creation.box((2, 2, 2)).export(tmp_path / "box.ply")
    (cloud,) = load_clouds(tmp_path / "box.ply", points=300, seed=1).clouds
    assert cloud.shape == (300, 3)
    assert np.abs(cloud).max(1) == pytest.approx(np.ones(300), abs=1e-6)
    assert (load_clouds(tmp_path / "box.ply", points=300, seed=1).clouds[0] == cloud).all()
    assert (load_clouds(tmp_path / "box.ply", points=300, seed=2).clouds[0] != cloud).any()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.ply", b"", "a.ply is empty"),
        ("a.ply", b"solid box", "a.ply is no PLY file"),
        ("a.ply", HEADER.format(0).encode(), "a.ply: cloud 0 has no points"),
        ("a.ply", (HEADER.format(3) + "1 2 3\n").encode(), "promises 3 vertices, 1 follow"),
        ("a.ply", (HEADER.format(2) + "1 2 3\n1 nan 3\n").encode(), "cloud 0, point 1 is .*nan"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement face 2\nend_header\n", "no 'element vertex'"),
        ("a.xyz", b"", "a.xyz: cloud 0 has no points"),
        ("a.xyz", b"2\nwater\nO 0 0 0\n", "a.xyz, line 1 has 1 coordinates, not 2"),
        ("a.xyz", b"0 0 0\n\n0 0 x\n", "a.xyz, line 3: '0 0 x'"),
        ("a.xyz", b"0 0 0\n0 0\n", "a.xyz, line 2 has 2 coordinates, not 3"),
        ("a.xyz", b"0 0 0\n0 inf 0\n", "a.xyz: cloud 0, point 1 is .*inf"),
        ("a.xyz", b"\xff\xfe\x00", "a.xyz is no text"),
        ("a.npz", b"PK\x03\x04", "a.npz is damaged"),
        ("a.obj", b"v 0 0 0", "clouds are read from .ply, .xyz, .npy, .npz files"),
    ],
)
def test_files_that_hold_no_clouds_are_named(tmp_path, name, content, said):
    if name.endswith(".ply"):
        pytest.importorskip("trimesh")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_clouds(tmp_path / name)


def test_a_binary_file_that_is_cut_short(tmp_path):
    pytest.importorskip("trimesh")
    save_clouds(tmp_path / "a.ply", CLOUD)
    whole = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "a.ply").write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"a.ply is damaged or cut short"):
        load_clouds(tmp_path / "a.ply")


def test_what_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_clouds(tmp_path / "none.ply")
    with pytest.raises(DataError, match=r"holds no \.ply or \.xyz files"):
        load_clouds(tmp_path)
    for name, said in (
        ("two.ply", "holds one cloud, and there are 2; leave the suffix out"),
        ("two.stl", "clouds are written to .npz, .npy, .ply, .xyz files"),
    ):
        with pytest.raises(DataError, match=said):
            save_clouds(tmp_path / name, [CLOUD, CLOUD])
    with pytest.raises(DataError, match="holds clouds of equal size"):
        save_clouds(tmp_path / "two.npy", [CLOUD, CLOUD[:3]])
    with pytest.raises(DataError, match="points of 3 coordinates, not 2"):
        save_clouds(tmp_path / "flat.ply", CLOUD[:, :2])
    assert list(tmp_path.iterdir()) == []
