"""Law: a data folder of an older appliance opens, is migrated, and its studies walk on."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.exam.partner import SyntheticPartner
from appliance.store.entry import Kind, State
from appliance.store.ledger_schema import STEPS
from appliance.store.schema import version
from tests.whole.device import demo_tree, running

OLD = Path(__file__).parent / "old"


def stored(data: Path) -> None:
    """The folder as it was left."""
    shutil.copytree(OLD / "spool", data / "spool")
    shutil.copytree(OLD / "parcels", data / "ledger" / "parcels")
    with closing(sqlite3.connect(data / "ledger" / "ledger.db")) as connection:
        connection.executescript((OLD / "ledger-1.sql").read_text())
        assert version(connection) == 1


# Starts an appliance, and the study that waits walks out.
@pytest.mark.timeout(60)
def test_a_folder_of_the_first_schema_is_migrated_and_its_study_walks_on(tmp_path: Path) -> None:
    stored(tmp_path / "data")
    with (
        SyntheticPartner() as partner,
        running(tmp_path, demo_tree(partner.url, ("PACS", 9))) as device,
    ):
        device.wait("parcel.confirmed", 2)
        sent, walked = device.view.entries((), (Kind.PARCEL,))
        assert (sent.state, sent.pseudonym) == (State.CONFIRMED, "DEMO-J4CYGCTEMGRCM")
        assert (walked.state, walked.members) == (State.CONFIRMED, 2)
        assert sorted(partner.stored.values()) == [1, 1]
        assert device.view.device_s() >= 600, "the device's own clock goes on"
        assert device.command("verify").stdout == "nothing wrong found\n"
    with closing(sqlite3.connect(tmp_path / "data" / "ledger" / "ledger.db")) as connection:
        assert version(connection) == len(STEPS) > 1
