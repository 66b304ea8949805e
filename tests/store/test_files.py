"""Law: a kept file is the old one or the whole new one, at every instant and after every cut."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store.files import keep_file, keep_folder
from tests.power import Power, Rest


def rewritten(root: Path) -> None:
    keep_folder(root / "a" / "b")
    keep_file(root / "a" / "b" / "f", [b"old" * 10])
    keep_file(root / "a" / "b" / "f", [b"new" * 5, b"er" * 5])


@pytest.mark.parametrize("rest", list(Rest))
def test_a_cut_at_any_call_leaves_the_old_file_or_the_whole_new_one(
    tmp_path: Path, rest: Rest
) -> None:
    with Power(tmp_path / "0") as count:
        rewritten(tmp_path / "0")
    seen = set()
    for cut_at in range(1, count.calls + 2):
        root = tmp_path / f"{cut_at}"
        root.mkdir()
        with Power(root, cut_at=cut_at) as power:
            rewritten(root)
        power.fall(rest)
        path = root / "a" / "b" / "f"
        seen.add(path.read_bytes() if path.exists() else None)
    assert seen <= {None, b"old" * 10, b"new" * 5 + b"er" * 5}
    assert b"new" * 5 + b"er" * 5 in seen


def test_a_file_that_fails_leaves_neither_itself_nor_its_part(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"begun"
        raise ValueError("the sender went away")

    with pytest.raises(ValueError, match="went away"):
        keep_file(tmp_path / "f", broken())
    with Power(tmp_path) as power:
        power.fault(2, errno.ENOSPC)
        with pytest.raises(OSError, match="No space"):
            keep_file(tmp_path / "f", [b"x"])
    assert list(tmp_path.iterdir()) == []


def test_the_model_sees_a_file_that_was_only_written(tmp_path: Path) -> None:
    """The teeth of the model itself: `write_text` alone survives nothing."""
    with Power(tmp_path) as power:
        (tmp_path / "f").write_text("important")
    power.fall(Rest.NAMES)
    assert (tmp_path / "f").read_bytes() == b""
    power.fall(Rest.LOST)
    assert list(tmp_path.iterdir()) == []
