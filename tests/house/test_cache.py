"""What is taken from the cache has the digest that names it, whatever happened to the disk."""

import subprocess
import sys
import time
from pathlib import Path

import cache
from cache import Cache, digest


def _write(text: str):
    def make(part: Path) -> None:
        part.mkdir()
        (part / "file").write_text(text)

    return make


def _never(part: Path) -> None:
    raise AssertionError("made again")


def test_a_kept_folder_is_made_once(tmp_path):
    kept = Cache("venv", tmp_path)
    assert (kept.tree("key", _write("one")) / "file").read_text() == "one"
    assert (kept.tree("key", _never) / "file").read_text() == "one"


def test_a_folder_with_a_changed_file_is_made_anew(tmp_path, capsys):
    kept = Cache("venv", tmp_path)
    (kept.tree("key", _write("good")) / "file").write_text("poison")
    assert (kept.tree("key", _write("good")) / "file").read_text() == "good"
    assert "made anew" in capsys.readouterr().err


def test_a_folder_with_a_file_more_or_less_is_made_anew(tmp_path):
    kept = Cache("venv", tmp_path)
    (kept.tree("key", _write("good")) / "more").write_text("")
    assert sorted(p.name for p in kept.tree("key", _write("good")).iterdir()) == ["file"]
    (kept.tree("key", _never) / "file").unlink()
    assert sorted(p.name for p in kept.tree("key", _write("good")).iterdir()) == ["file"]


def test_a_folder_left_half_made_is_not_taken(tmp_path):
    kept = Cache("venv", tmp_path)
    (kept.folder / "key.part").mkdir()
    (kept.folder / "key.part" / "file").write_text("half")
    (kept.folder / "key").mkdir()
    assert (kept.tree("key", _write("whole")) / "file").read_text() == "whole"


def test_a_poisoned_file_is_not_offered_and_can_be_kept_again(tmp_path):
    kept, wheel = Cache("wheel", tmp_path), tmp_path / "some-1.whl"
    wheel.write_text("good")
    name = digest(wheel)
    kept.keep(wheel).write_text("poison")
    assert list(kept.files([name])) == []
    kept.keep(wheel)
    assert [path.read_text() for path in kept.files([name])] == ["good"]


def test_only_the_latest_folders_are_kept(tmp_path):
    kept = Cache("venv", tmp_path)
    for number in range(cache.MOST_TREES + 2):
        kept.tree(f"key{number}", _write("x"))
        time.sleep(0.01)
    left = sorted(path.name for path in kept.folder.glob("*") if path.is_dir())
    assert left == [f"key{number}" for number in range(2, cache.MOST_TREES + 2)]


def test_two_processes_make_a_folder_once(tmp_path):
    text = f"""
import sys, time, pathlib
sys.path.insert(0, {str(Path(cache.__file__).parent)!r})
from cache import Cache
def make(part):
    time.sleep(0.3)
    part.mkdir()
    print("made")
kept = Cache("venv", pathlib.Path({str(tmp_path)!r}))
with kept.alone():
    kept.tree("key", make)
"""
    command = [sys.executable, "-c", text]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert "".join(process.communicate()[0] for process in both).count("made") == 1
