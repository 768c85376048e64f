from __future__ import annotations

import pytest

from diffeo.files import replacing, write_atomically


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "f"
    for content in (b"one", b"two"):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_impossible_places_are_named(tmp_path):
    with pytest.raises(OSError, match="is a folder"):
        write_atomically(tmp_path, b"")
    with pytest.raises(OSError, match="its folder does not exist"):
        write_atomically(tmp_path / "none" / "f", b"")
