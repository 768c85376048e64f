"""Folders of PNG and JPEG files."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_examples import pixels

from diffeo.errors import DataError, MissingExtraError
from diffeo.images import load_images

Image = pytest.importorskip("PIL.Image", reason="needs Pillow")


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 4)])
def test_images_come_in_the_order_of_their_names(shape, tmp_path):
    arrays = {name: pixels(*shape, seed=i) for i, name in enumerate("cab")}
    for name, array in arrays.items():
        save(tmp_path / f"{name}.png", array)
    (tmp_path / "README.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    data = load_images(tmp_path)
    assert data.labels is None
    assert data.bits == 8
    expected = [arrays[name].reshape(7, 5, -1).transpose(2, 0, 1) for name in "abc"]
    np.testing.assert_array_equal(data.pixels, expected)


def test_folders_are_classes_in_the_order_of_their_names(tmp_path):
    for i, name in enumerate(["dog/1", "cat/2", "cat/1", "ape/1"]):
        save(tmp_path / f"{name}.png", np.full((4, 4), i, np.uint8))
    (tmp_path / ".cache").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    data = load_images(tmp_path)
    assert data.names == ("ape", "cat", "dog")
    assert data.labels.tolist() == [0, 1, 1, 2]
    assert data.pixels[:, 0, 0, 0].tolist() == [3, 2, 1, 0]
    own = load_images(tmp_path, labels=np.array([7, 8, 9, 10]))
    assert own.labels.tolist() == [7, 8, 9, 10]
    assert own.names is None


def test_folders_of_splits_are_no_classes(tmp_path):
    for name in ("train/b/1", "train/a/1", "val/a/1", "val/b/1", "val/b/2"):
        save(tmp_path / f"{name}.png", pixels(4, 4))
    assert load_images(tmp_path, split="train").labels.tolist() == [0, 1]
    assert load_images(tmp_path, split="validation").labels.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + r".*pass split='t.*'"):
        load_images(tmp_path)
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + ".* but no test images"):
        load_images(tmp_path, split="test")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "val")) + " is not split"):
        load_images(tmp_path / "val", split="train")


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    ramp = np.linspace(0, 255, 16).astype(np.uint8)[:, None].repeat(16, 1)
    paths = [save(tmp_path / name, ramp) for name in ("a.jpg", "b.JPEG")]
    data = load_images(tmp_path)
    np.testing.assert_array_equal(data.pixels[:, 0], [np.asarray(Image.open(p)) for p in paths])
    assert np.abs(data.pixels[0, 0].astype(int) - ramp).max() < 16


def test_depths_and_palettes_are_read_without_loss(tmp_path):
    bits = pixels(4, 4) > 100
    save(tmp_path / "one" / "a.png", bits)
    one = load_images(tmp_path / "one")
    assert one.bits == 1
    np.testing.assert_array_equal(one.pixels[0, 0], bits)
    deep = pixels(4, 4, top=65535)
    save(tmp_path / "deep" / "a.png", deep)
    assert load_images(tmp_path / "deep").bits == 16
    np.testing.assert_array_equal(load_images(tmp_path / "deep").pixels[0, 0], deep)
    colours = pixels(4, 4, 3)
    (tmp_path / "palette").mkdir()
    Image.fromarray(colours).quantize(16).save(tmp_path / "palette" / "a.png")
    found = load_images(tmp_path / "palette").pixels[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(found, colours)
    clear = Image.fromarray(colours).quantize(16)
    clear.save(tmp_path / "palette" / "a.png", transparency=clear.getpixel((0, 0)))
    found = load_images(tmp_path / "palette").pixels[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(found[..., :3], colours)
    np.testing.assert_array_equal(found[..., 3] == 0, (colours == colours[0, 0]).all(-1))


def test_a_stated_depth_is_checked_file_by_file(tmp_path):
    for name, top in (("a", 31), ("b", 200), ("c", 31)):
        save(tmp_path / f"{name}.png", pixels(4, 4, top=top))
    with pytest.raises(DataError, match=r"1 images cannot be used: b\.png holds 200, outside 0 to"):
        load_images(tmp_path, bits=5)
    (tmp_path / "b.png").unlink()
    assert load_images(tmp_path, bits=5).bits == 5


def test_mixed_sizes_and_modes_are_refused_by_name(tmp_path):
    for i in range(9):
        save(tmp_path / "x" / f"{i}.png", pixels(6, 4))
    for i in range(7):
        save(tmp_path / "y" / f"{i}.png", pixels(4, 6))
    with pytest.raises(DataError) as error:
        load_images(tmp_path)
    message = str(error.value)
    assert message.startswith(str(tmp_path))
    assert "9 are 4x6 L, 7 are not" in message
    assert f"{Path('y', '0.png')} (6x4 L)" in message
    assert "and 2 more" in message
    save(tmp_path / "z" / "0.png", pixels(6, 4))
    save(tmp_path / "z" / "colour.png", pixels(6, 4, 3))
    with pytest.raises(DataError, match=r"z: images|z holds .*1 are not: colour\.png \(4x6 RGB\)"):
        load_images(tmp_path / "z")


def test_damaged_images_are_refused_by_name(tmp_path):
    good = save(tmp_path / "good.png", pixels(32, 32, 3)).read_bytes()
    torn = save(tmp_path / "torn.jpg", pixels(32, 32, 3))
    torn.write_bytes(torn.read_bytes()[:-300])
    (tmp_path / "cut.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "flipped.png").write_bytes(good[:500] + bytes([good[500] ^ 255]) + good[501:])
    with pytest.raises(DataError) as error:
        load_images(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path}: 3 images cannot be used: ")
    for name in ("cut.png is damaged", "flipped.png is damaged", "torn.jpg is damaged"):
        assert name in message
    for i in range(6):
        (tmp_path / f"{i}.png").write_bytes(good[:12])
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r": 7 images .*0\.png is no PNG or JPEG.* and 2 more"):
        load_images(tmp_path)


def _png(path: Path, bits: int, colour: int, row: bytes, size: int = 4) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", size, size, bits, colour, 0, 0, 0)
    data = zlib.compress((b"\0" + row) * 4)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def test_modes_that_would_lose_something_are_refused_by_name(tmp_path):
    _png(tmp_path / "deep.png", 16, 2, bytes(24))
    with pytest.raises(DataError, match=r"deep\.png is of the mode 16-bit RGB"):
        load_images(tmp_path)
    _png(tmp_path / "deep.png", 8, 4, bytes(8))
    with pytest.raises(DataError, match=r"deep\.png is of the mode LA"):
        load_images(tmp_path)
    _png(tmp_path / "deep.png", 8, 0, bytes(4), size=40_000)
    with pytest.raises(DataError, match=r"deep\.png is too large"):
        load_images(tmp_path)


def test_folders_without_a_set_of_images_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=re.escape(str(tmp_path)) + " holds no images"):
        load_images(tmp_path)
    save(tmp_path / "a" / "1.png", pixels(4, 4))
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "b")) + " .*no PNG"):
        load_images(tmp_path)
    (tmp_path / "b" / "c").mkdir()
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "b")) + " .*holds the folder 'c'"):
        load_images(tmp_path)
    save(tmp_path / "1.png", pixels(4, 4))
    with pytest.raises(DataError, match=r"holds images \(such as 1\.png\) beside folders"):
        load_images(tmp_path)
    save(tmp_path / "a" / "2.bmp", pixels(4, 4))
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "a" / "2.bmp")) + ": images are"):
        load_images(tmp_path / "a")


def test_pillow_is_asked_for_by_its_extra(tmp_path, monkeypatch):
    save(tmp_path / "1.png", pixels(4, 4))
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[images\]"):
        load_images(tmp_path)
