"""Law: what keep() returned is read back whole, whatever happens to power, disk or process."""

import errno
import subprocess
import sys
from pathlib import Path
from threading import Thread
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import Refusal, Unavailable
from appliance.store.spool import Arrival, Cursor, Damage, Head, Journal, Note, Spool
from tests.power import Power, Rest

HEAD = Head(
    study="1.2.3",
    series="1.2.3.4",
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    sop_instance="1.2.3.4.5",
    transfer_syntax="1.2.840.10008.1.2.1",
    patient_id="P\xe9",
    issuer="",
    character_set="ISO_IR 100",
    called_ae="RPACS",
    calling_ae="CT1",
    peer="scanner",
    address="10.0.0.7",
    implementation="1.2.276",
)
BODIES = [b"first" * 50, b"second" * 700, b""]


def all_records(folder: Path) -> list[Arrival | Note | Damage]:
    return list(Journal(folder).since(Cursor.START, 10_000).records)


def one_after_another(root: Path, kept: list[tuple[Arrival, bytes]]) -> None:
    """A first start, three instances and a note; then a second start and one more."""
    spool = Spool(root / "spool")
    for body in BODIES:
        kept.append((spool.keep(HEAD, [body[:100], body[100:]]), body))
    spool.note("refused", "calling AE", "10.0.0.9")
    spool.close()
    spool = Spool(root / "spool")
    kept.append((spool.keep(HEAD, [b"after"]), b"after"))
    spool.close()


def is_whole(folder: Path, kept: list[tuple[Arrival, bytes]]) -> bool:
    """Whether every kept arrival is read back, once, with its bytes."""
    found = [record for record in all_records(folder) if isinstance(record, Arrival)]
    if any(found.count(arrival) != 1 for arrival, _ in kept):
        return False
    try:
        return all(Journal(folder).whole(arrival) == body for arrival, body in kept)
    except Refusal:
        return False


def calls_of_a_run(tmp_path: Path) -> int:
    with Power(tmp_path / "count") as power:
        one_after_another(tmp_path / "count", [])
    return power.calls


@pytest.mark.parametrize("rest", list(Rest))
def test_a_power_cut_at_any_call_loses_nothing_that_was_kept(tmp_path: Path, rest: Rest) -> None:
    total = calls_of_a_run(tmp_path)
    assert total > 40
    for cut_at in range(1, total + 2):
        root = tmp_path / f"{cut_at}"
        root.mkdir()
        kept: list[tuple[Arrival, bytes]] = []
        with Power(root, cut_at=cut_at) as power:
            one_after_another(root, kept)
        power.fall(rest)
        assert is_whole(root / "spool", kept), (cut_at, power.journal[-1], len(kept))
        again = Spool(root / "spool")
        kept.append((again.keep(HEAD, [b"again"]), b"again"))
        again.close()
        assert is_whole(root / "spool", kept)
        assert not [p for p in Journal(root / "spool").check() if "no record names" not in p]


@pytest.mark.parametrize(
    "deaf",
    [
        pytest.param(lambda path: path.name.endswith(".part"), id="object"),
        pytest.param(lambda path: path.name == "objects", id="folder of the objects"),
        pytest.param(lambda path: path.name.endswith(".log"), id="journal"),
        pytest.param(lambda path: path.name == "journal", id="folder of the new journal file"),
        pytest.param(lambda path: path.name == "spool", id="folder of the folders"),
    ],
)
def test_without_any_one_flush_a_cut_loses_what_was_kept(tmp_path: Path, deaf: object) -> None:
    kept: list[tuple[Arrival, bytes]] = []
    assert callable(deaf)
    with Power(tmp_path, deaf=deaf) as power:
        one_after_another(tmp_path, kept)
    power.fall(Rest.LOST)
    assert not is_whole(tmp_path / "spool", kept)


def test_no_room_at_any_call_keeps_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    outcomes: list[str] = []
    for at in range(1, 9):
        root = tmp_path / f"{at}"
        with Power(root) as power:
            spool = Spool(root)
            power.fault(at, errno.ENOSPC)
            try:
                spool.keep(HEAD, [b"body", b"tail"])
                outcomes.append("kept")
            except Unavailable:
                outcomes.append("no room")
                assert list((root / "objects").iterdir()) == []
                later = spool.keep(HEAD, [b"later"])
                assert all_records(root) == [later]
            except OSError:
                # The journal's flush alone: what it could not write may be anything.
                assert power.journal[-1].endswith(".log")
                outcomes.append("broken")
    assert outcomes == ["no room"] * 7 + ["broken"]


def test_a_flush_that_fails_rises_and_nothing_is_kept_afterwards(tmp_path: Path) -> None:
    for at in range(1, 8):
        root = tmp_path / f"{at}"
        with Power(root) as power:
            spool = Spool(root)
            power.fault(at, errno.EIO)
            with pytest.raises(OSError, match="Input/output error"):
                spool.keep(HEAD, [b"body"])
            with pytest.raises(OSError, match="must end"):
                spool.keep(HEAD, [b"other"])
            with pytest.raises(OSError, match="must end"):
                spool.note("refused", "r", "p")


def test_a_file_size_limit_counts_as_no_room(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from appliance.errors import Unavailable\n"
        "from appliance.store.spool import Spool, Head\n"
        "spool = Spool(Path(sys.argv[1])); head = Head(*['1'] * 13)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: spool.keep(head, [bytes(3000), bytes(3000)]); print('kept')\n"
        "except Unavailable as e: print(e)\n"
        "print(spool.keep(head, [bytes(100)]).length)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0].startswith("no space left")
    assert done.stdout.splitlines()[1] == "100"
    assert len(list((tmp_path / "objects").iterdir())) == 1


def test_a_second_start_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Spool(tmp_path)
    with pytest.raises(Unavailable, match="another process"):
        Spool(tmp_path)
    first.close()
    Spool(tmp_path).close()


def test_four_threads_keep_at_once_and_every_arrival_has_its_own_number(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept: list[tuple[Arrival, bytes]] = []

    def many(name: int) -> None:
        for number in range(20):
            body = b"%d-%d" % (name, number)
            kept.append((spool.keep(HEAD, [body]), body))

    threads = [Thread(target=many, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert len({arrival.seq for arrival, _ in kept}) == 80
    assert is_whole(tmp_path, kept)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(1, 7), min_size=1, max_size=12))
def test_reading_in_batches_of_any_size_gives_every_record_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("batches")
    written: list[Arrival | Note] = []
    for start in range(3):
        spool = Spool(folder)
        for number in range(4):
            written.append(spool.keep(HEAD, [b"%d" % number]))
            written.append(spool.note("refused", "r", str(start)))
        spool.close()
    read: list[object] = []
    cursor = Cursor.START
    for most in [*steps, 100]:
        batch = Journal(folder).since(cursor, most)
        assert len(batch.records) <= most
        read += batch.records
        cursor = batch.cursor
    assert read == written
    assert not Journal(folder).since(cursor, 5).records


def test_the_reader_waits_for_a_record_that_is_being_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first = spool.keep(HEAD, [b"a"])
    path = next((tmp_path / "journal").iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    batch = Journal(tmp_path).since(Cursor.START, 10)
    assert batch.records == (first,)
    path.write_bytes(whole + whole)
    assert Journal(tmp_path).since(batch.cursor, 10).records == (first,)
    spool.close()


def test_a_torn_tail_ends_a_file_and_the_next_file_follows(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first = spool.keep(HEAD, [b"a"])
    spool.close()
    path = next((tmp_path / "journal").iterdir())
    for tail in (path.read_bytes()[:-1], b"RP", bytes(500)):
        content = path.read_bytes()
        path.write_bytes(content + tail)
        again = Spool(tmp_path)
        second = again.keep(HEAD, [b"b"])
        again.close()
        assert all_records(tmp_path)[0] == first
        assert all_records(tmp_path)[-1] == second
        assert not [r for r in all_records(tmp_path) if isinstance(r, Damage)]
        path.write_bytes(content)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_reported_and_never_passed_over(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    spool = Spool(folder)
    kept = [spool.keep(HEAD, [b"%d" % number]) for number in range(4)]
    spool.close()
    path = next((folder / "journal").iterdir())
    content = bytearray(path.read_bytes())
    last = content.rindex(b"RPJ1")
    at = data.draw(st.integers(0, last - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    Spool(folder).close()
    records = all_records(folder)
    found = [record for record in records if isinstance(record, Arrival)]
    assert len(found) == 3
    assert all(arrival in kept for arrival in found)
    assert len([record for record in records if isinstance(record, Damage)]) == 1
    assert len([problem for problem in Journal(folder).check() if "are no record" in problem]) == 1


def test_a_changed_last_record_of_an_ended_file_is_damage(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(HEAD, [b"a"])
    spool.close()
    path = next((tmp_path / "journal").iterdir())
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert all_records(tmp_path) == []
    Spool(tmp_path).close()
    assert [type(record) for record in all_records(tmp_path)] == [Damage]


def test_a_record_cannot_be_forged_inside_a_value(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(HEAD, [b"real"])
    raw = next((tmp_path / "journal").iterdir()).read_bytes()
    fields = {name: getattr(HEAD, name) for name in HEAD.__dataclass_fields__}
    forged = Head(**(fields | {"patient_id": raw.decode("latin-1")}))
    kept = spool.keep(forged, [b"x"])
    spool.close()
    path = next((tmp_path / "journal").iterdir())
    content = bytearray(path.read_bytes())
    content[len(raw)] ^= 1
    path.write_bytes(content)
    Spool(tmp_path).close()
    assert [type(r) for r in all_records(tmp_path)] == [Arrival, Damage]
    assert kept not in all_records(tmp_path)


def test_changed_bytes_are_refused_and_named_by_check(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = spool.keep(HEAD, [b"body"])
    spool.close()
    journal = Journal(tmp_path)
    assert journal.check() == []
    journal.path(kept.seq).write_bytes(b"bodx")
    with pytest.raises(Refusal, match="D09"):
        journal.whole(kept)
    assert journal.check() == [f"arrival {kept.seq:x}: its bytes changed on the disk"]


def test_erasing_removes_bytes_and_then_the_journal_file_that_named_them(tmp_path: Path) -> None:
    for body in (b"old", b"new"):
        spool = Spool(tmp_path)
        spool.keep(HEAD, [body])
        spool.close()
    journal = Journal(tmp_path)
    batch = journal.since(Cursor.START, 10)
    old, new = (record for record in batch.records if isinstance(record, Arrival))
    assert journal.retire(batch.cursor) == 0
    journal.erase(old.seq, new.seq)
    journal.erase(old.seq)
    with pytest.raises(FileNotFoundError):
        journal.read(old.seq)
    assert journal.retire(batch.cursor) == 1
    assert journal.check() == []
    spool = Spool(tmp_path)
    third = spool.keep(HEAD, [b"third"])
    spool.close()
    assert third.seq >> 32 > new.seq >> 32
    assert journal.since(batch.cursor, 10).records == (third,)


def test_the_crc_is_the_one_of_the_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = spool.keep(HEAD, [b"ab", b"c"])
    spool.close()
    assert (kept.length, kept.crc) == (3, crc32(b"abc"))
    assert [p.name for p in (tmp_path / "objects").iterdir()] == [f"{kept.seq:016x}.dcm"]
