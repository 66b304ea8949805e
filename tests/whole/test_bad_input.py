"""Law: whatever comes in or stands in the way has one outcome, one clear sentence, and costs nothing.

The sentence reaches a person: as a status with its comment over the network, on stderr with an
exit code, or in `appliance status`.
"""

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from copy import deepcopy
from os import statvfs
from pathlib import Path
from random import Random

import pytest
from pydicom import Dataset

from appliance.errors import ProfileError
from appliance.exam.material import ct_slice
from appliance.exam.partner import SyntheticPartner
from appliance.profile import parse
from appliance.store.entry import Entry, Kind, State
from appliance.store.ledger import Ledger
from appliance.store.schema import NO_ROOM
from tests.studies import CT, ct_study
from tests.whole.dcmtk import dcmtk, storescu
from tests.whole.device import (
    CALLED,
    CALLING,
    DEMO,
    Device,
    appliance,
    demo_tree,
    free_port,
    running,
    serve_command,
    surroundings,
    tried,
    until,
    written,
)
from tests.whole.wire import associated, body, explicit, push

# The first test of this file starts an appliance.
pytestmark = pytest.mark.timeout(60)
SEED = 4711


@pytest.fixture(scope="module")
def partner() -> Iterator[SyntheticPartner]:
    with SyntheticPartner() as neighbour:
        yield neighbour


@pytest.fixture(scope="module")
def device(partner: SyntheticPartner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    tree = demo_tree(partner.url, ("PACS", 9))
    with running(tmp_path_factory.mktemp("bad-input"), tree) as started:
        yield started


def kept(device: Device) -> int:
    """How many instances lie in the spool."""
    return len(list((device.data / "spool" / "objects").iterdir()))


def goes_on(device: Device) -> None:
    """It answers, and all four parts are those that were started."""
    echo = ("echoscu", "-aet", CALLING, "-aec", CALLED, "127.0.0.1", device.port)
    until(lambda: dcmtk(*echo).returncode == 0, within_s=10, often_s=0.2)
    assert "Traceback" not in device.stderr
    until(lambda: set(device.parts()) == {"vault", "walk", "receive", "console"})


def sentences(run: "subprocess.CompletedProcess[str]") -> list[str]:
    """What a command complained about, line by line."""
    assert "Traceback" not in run.stderr
    return run.stderr.splitlines()


# -- what comes over the network ------------------------------------------------------------------


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", Random(SEED).randbytes(4096), b""])
def test_a_caller_that_speaks_no_dicom_is_hung_up_on(device: Device, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", device.port), timeout=10) as door:
        door.sendall(noise)
        door.shutdown(socket.SHUT_WR)
        assert door.recv(4096)[:1] in (b"", b"\x07")
    goes_on(device)


@pytest.mark.parametrize("length", [0, 7, 200, 900])
def test_a_data_set_that_is_cut_off_is_refused_with_its_reason(device: Device, length: int) -> None:
    before = kept(device)
    with associated(device.port) as association:
        status, comment = push(association, body(CT)[:length], str(ct_slice().SOPInstanceUID))
    assert status == 0xC000
    assert comment
    assert kept(device) == before
    goes_on(device)


def test_bytes_that_are_no_data_set_are_refused_with_their_reason(device: Device) -> None:
    before = kept(device)
    with associated(device.port) as association:
        status, comment = push(association, Random(SEED).randbytes(4096), "1.2.3")
    assert (status, bool(comment)) == (0xC000, True)
    assert kept(device) == before


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_a_uid_that_is_a_path_is_refused_and_names_no_file(device: Device, keyword: str) -> None:
    (made,) = ct_study(instances=1)
    evil = "../../../../evil"
    data = explicit(made)
    place = data.index(str(made[keyword].value).encode())
    data = data[:place] + evil.encode() + data[place + len(evil) :]
    told = evil if keyword == "SOPInstanceUID" else str(made.SOPInstanceUID)
    names = set(device.place.rglob("*"))
    with associated(device.port) as association:
        status, comment = push(association, data, told)
    assert status == {"SOPInstanceUID": 0x0117}.get(keyword, 0xC000)
    assert "evil" not in comment
    assert not [path for path in set(device.place.rglob("*")) - names if "evil" in str(path)]
    goes_on(device)


# -- what the machine lacks -----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A partition of 64 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a full disk needs a disk of its own, and this user may not mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


# Starts an appliance; parts that fell for want of room pause for seconds; the study walks out.
@pytest.mark.timeout(60)
def test_a_full_disk_refuses_with_a700_and_takes_again_when_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.dcm" for number in range(4)]
    for path, made in zip(files, with_meta(ct_study(study="full", instances=4)), strict=True):
        made.save_as(path, enforce_file_format=True)
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "data").symlink_to(small_disk)
    with (
        SyntheticPartner() as partner,
        running(tmp_path / "box", demo_tree(partner.url, ("PACS", 9))) as device,
    ):
        assert storescu(device.port, files[:1]) == ["Success"]
        filler = small_disk / "filler"
        fill(filler, 0.05)
        assert storescu(device.port, files[1:3]) == ["Refused: OutOfResources"] * 2
        assert kept(device) == 1
        assert "The disk is" in device.status()
        # Somebody else takes the last byte: who must write falls, the clinic is still answered.
        fill(filler, 0.0)
        until(lambda: set(device.parts()) < {"vault", "walk", "receive", "console"})
        assert storescu(device.port, files[3:]) == ["Refused: OutOfResources"]
        filler.unlink()
        assert storescu(device.port, files[1:]) == ["Success"] * 3
        until(lambda: len(partner.stored) == 4)
        until(lambda: {one.state for one in parcels(device)} == {State.CONFIRMED})
        assert set(partner.stored.values()) == {1}
        assert NO_ROOM in device.stderr
        goes_on(device)


def parcels(device: Device) -> tuple[Entry, ...]:
    """What went out, or is about to."""
    return device.view.entries((), (Kind.PARCEL,))


def with_meta(datasets: list[Dataset]) -> list[Dataset]:
    """Data sets as files."""
    for made in datasets:
        made.file_meta = deepcopy(ct_slice().file_meta)
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return datasets


def fill(filler: Path, left: float) -> None:
    """Somebody's file leaves this part of the disk, or takes it to the last byte."""
    disk = statvfs(filler.parent)
    room = disk.f_bavail * disk.f_frsize - int(left * disk.f_blocks * disk.f_frsize)
    with filler.open("ab", buffering=0) as file:
        file.write(bytes(room))
        while not left:
            try:
                file.write(bytes(1))
            except OSError:
                return


# -- what the profile says ------------------------------------------------------------------------


def test_a_half_written_profile_is_refused_with_a_sentence_for_each_mistake(tmp_path: Path) -> None:
    written(tmp_path, demo_tree("http://127.0.0.1:9/dicom-web", ("PACS", 9)))
    text = DEMO.read_text()
    for cut in (text.index("partners:"), text.index("projects:") + 30, 0):
        (tmp_path / "profile.yaml").write_text(text[:cut])
        run = tried(tmp_path)
        assert run.returncode == 4, run.stderr
        lines = sentences(run)
        assert lines
        assert all(re.match(r"profile: [^:]+: \w+ ", line) for line in lines), lines
    assert not (tmp_path / "data" / "ledger").exists()


def test_a_profile_cut_anywhere_is_whole_or_refused() -> None:
    text = DEMO.read_text()
    for cut in range(0, len(text), 37):
        with suppress(ProfileError):
            parse(text[:cut])


def test_a_profile_that_is_not_there_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    run = appliance(tmp_path, "serve", "--profile", "absent.yaml", "--data", str(tmp_path))
    assert run.returncode == 2
    assert "cannot be read" in sentences(run)[-1]


# -- what stands in the data folder ---------------------------------------------------------------


def noise(path: Path) -> None:
    """Not a database any more."""
    path.write_bytes(Random(SEED).randbytes(1 << 16))


def torn_page(path: Path) -> None:
    """One page of it is from elsewhere."""
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(Random(SEED).randbytes(4096))


@pytest.mark.parametrize(("damage", "parts"), [(noise, ()), (torn_page, ("--part", "walk"))])
def test_a_corrupted_ledger_is_refused_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None], parts: tuple[str, ...]
) -> None:
    written(tmp_path, demo_tree("http://127.0.0.1:9/dicom-web", ("PACS", 9)))
    ledger = tmp_path / "data" / "ledger" / "ledger.db"
    Ledger(ledger.parent, ()).close()
    damage(ledger)
    before = ledger.read_bytes()
    run = tried(tmp_path, *parts)
    assert run.returncode == 4
    assert {
        "appliance: D11: ledger.db is damaged or no database of ours: restore a backup of it"
    } <= set(sentences(run))
    assert ledger.read_bytes() == before


def test_a_second_start_on_a_data_folder_ends_and_the_first_goes_on(device: Device) -> None:
    run = tried(device.place, "--listen", f"127.0.0.1:{free_port()}")
    assert (run.returncode, run.stdout) == (1, "")
    (sentence,) = sentences(run)
    assert sentence.startswith("appliance: another appliance runs on ")
    goes_on(device)


@pytest.mark.parametrize("part", ["vault", "walk", "receive"])
def test_a_second_start_of_one_part_ends_and_the_first_goes_on(device: Device, part: str) -> None:
    run = tried(device.place, "--listen", f"127.0.0.1:{free_port()}", "--part", part)
    assert run.returncode == 1
    assert len(sentences(run)) == 1
    goes_on(device)


@pytest.mark.timeout(60)  # two appliances start
def test_two_starts_at_the_same_moment_leave_one(tmp_path: Path) -> None:
    written(tmp_path, demo_tree("http://127.0.0.1:9/dicom-web", ("PACS", 9)))
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    serve_command(tmp_path),
                    env=surroundings(tmp_path),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(2)
        ]
        for racer in racers:
            stack.callback(racer.terminate)
        loser = until(lambda: next((one for one in racers if one.poll() is not None), None))
        assert loser.returncode == 1
        (winner,) = [one for one in racers if one is not loser]
        assert "ready\n" in iter(winner.stdout.readline, "")


@pytest.mark.parametrize(
    ("door", "parts"), [("--listen", ("--part", "receive")), ("--console", ("--part", "console"))]
)
def test_a_port_that_is_taken_ends_the_start_with_its_number(
    tmp_path: Path, door: str, parts: tuple[str, ...]
) -> None:
    written(tmp_path, demo_tree("http://127.0.0.1:9/dicom-web", ("PACS", 9)))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = tried(tmp_path, door, f"127.0.0.1:{port}", *parts)
    assert run.returncode == 4
    said = [line for line in sentences(run) if str(port) in line]
    assert len(said) == 1
    assert "cannot be opened" in said[0]
