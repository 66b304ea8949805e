"""Law: `kill -9` of any process at any moment loses nothing and doubles nothing.

Six kills in one walk there and home: receive, vault and walk, each once on each way. Everything
that was acknowledged is at the partner exactly once, every result in the PACS exactly once.
"""

import subprocess
from pathlib import Path
from random import Random

import pytest
from pydicom import Dataset

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.material import MadeStudy, made_study
from appliance.exam.partner import SyntheticPartner
from appliance.exam.results import ResultKind
from appliance.exam.traits import Trait
from appliance.store.entry import Kind, State
from tests.whole.dcmtk import dcmtk, statuses, storescu, storescu_words
from tests.whole.device import (
    CALLED,
    CALLING,
    SECOND,
    Device,
    alive,
    demo_tree,
    running,
    until,
)

SLICES = 24
RESULTS = 4
# Longer than receive needs to start again, so that the study stays one parcel.
SETTLE_S = 3
DRAW = Random(20_261_122)


def saved(study: MadeStudy, folder: Path) -> list[Path]:
    """The study as files, in the order in which they are sent."""
    paths = []
    for number, made in enumerate(study.instances):
        paths.append(folder / f"{number}.dcm")
        made.save_as(paths[-1], enforce_file_format=True)
    return paths


def came_back(device: Device, part: str, killed: int) -> None:
    """The supervisor has started the part again, and none of the killed one's children is left."""
    until(lambda: device.parts().get(part, killed) != killed)
    assert not alive(killed)


def push_through_a_kill(device: Device, files: list[Path], folder: Path) -> None:
    """storescu is cut off by the end of receive; what it was not answered is sent again."""
    said = folder / "said"
    with said.open("wb") as out:
        first = subprocess.Popen(storescu_words(device.port, files), stdout=out, stderr=out)
    until(lambda: len(statuses(said.read_text())) > SLICES // 4, often_s=0.001)
    killed = device.kill("receive")
    assert first.wait(30) != 0
    answered = len(statuses(said.read_text()))
    assert answered < len(files)
    came_back(device, "receive", killed)
    echo = ["echoscu", "-aet", CALLING, "-aec", CALLED, "127.0.0.1", str(device.port)]
    until(lambda: dcmtk(*echo).returncode == 0)
    rest = files[answered:]
    assert storescu(device.port, rest) == ["Success"] * len(rest)


# Six processes start again, and the walk waits 2.5 s or more for a vault that was away.
@pytest.mark.timeout(120)
def test_six_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    study = made_study(DRAW, SLICES)
    with SyntheticPartner() as partner, SyntheticClinic(frozenset({Trait.SLOW})) as clinic:
        clinic.pacs.has(study.instances)
        tree = demo_tree(partner.url, ("PACS", clinic.node.port))
        tree["projects"][0]["settle_min"] = SETTLE_S * SECOND
        with running(tmp_path / "box", tree) as device:
            there(device, partner, study, tmp_path)
            home(device, partner, clinic)
            arrived_once(device, partner, study)
            assert device.command("verify").stdout == "nothing wrong found\n"


def there(device: Device, partner: SyntheticPartner, study: MadeStudy, folder: Path) -> None:
    """Receive falls while dcmtk sends, the vault at the freeze, the walk between two requests."""
    push_through_a_kill(device, saved(study, folder), folder)
    until(lambda: device.events("intake.frozen"), often_s=0.01)
    came_back(device, "vault", device.kill("vault"))
    until(lambda: len(partner.stored) > SLICES // 4, often_s=0.01)
    everybody = device.everybody()
    came_back(device, "walk", device.kill("walk"))
    until(lambda: not [pid for pid in everybody - device.everybody() if alive(pid)])
    arrived_once(device, partner, study)


def home(device: Device, partner: SyntheticPartner, clinic: SyntheticClinic) -> None:
    """Receive falls at the claim, the vault before the question who it is, the walk while storing."""
    (pseudonymous,) = partner.studies()
    for _ in range(RESULTS):
        partner.make_result(pseudonymous, ResultKind.SR)
    until(lambda: device.events("delivery.claimed"), often_s=0.01)
    came_back(device, "receive", device.kill("receive"))
    until(lambda: device.events("delivery.fetched"), often_s=0.01)
    came_back(device, "vault", device.kill("vault"))
    device.held("review")
    released = release_held(device)
    until(lambda: clinic.pacs.stored, often_s=0.01)
    came_back(device, "walk", device.kill("walk"))

    def all_home() -> bool:
        # Two looks at the partner may have found the results in two sets.
        released.update(release_held(device) - released)
        deliveries = device.view.entries((), (Kind.DELIVERY,))
        returned = sum(entry.members for entry in deliveries)
        return returned == RESULTS and {entry.state for entry in deliveries} == {State.ACKED}

    until(all_home, within_s=60)
    assert len(clinic.pacs.stored) == RESULTS
    assert {len(times) for times in clinic.pacs.stored.values()} == {1}


def release_held(device: Device) -> set[int]:
    """A person releases all that waits for him; gives what he released."""
    held = {entry.id for entry in device.view.entries((State.HELD,)) if entry.code == "review"}
    return {number for number in held if not device.command("release", str(number)).returncode}


def arrived_once(device: Device, partner: SyntheticPartner, study: MadeStudy) -> None:
    """The partner got each instance of the study in one request, and no other."""
    until(lambda: len(partner.stored) == len(study.instances), within_s=60)
    parcels = device.view.entries((), (Kind.PARCEL,))
    device.wait("parcel.confirmed", len(parcels), within_s=60)
    assert set(partner.stored.values()) == {1}
    assert {one.PixelData for one in received(partner)} == {
        one.PixelData for one in study.instances
    }


def received(partner: SyntheticPartner) -> list[Dataset]:
    """What the partner has."""
    (study,) = partner.studies()
    return list(partner.received(study))
