"""`appliance verify` finds whatever was changed on the disk, says it in a sentence, and ends with 1."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.box import DEMO
from tests.commands.typed import one_object, run


def flipped_byte(data: Path) -> str:
    path = max((data / "spool" / "objects").glob("*.dcm"))
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    return f"arrival {int(path.stem, 16):x}: its bytes changed on the disk"


def lost_object(data: Path) -> str:
    path = max((data / "spool" / "objects").glob("*.dcm"))
    path.unlink()
    return f"arrival {int(path.stem, 16):x}: its bytes are gone"


def cut_journal(data: Path) -> str:
    path = max((data / "spool" / "journal").glob("*.log"))
    path.write_bytes(path.read_bytes()[:-10])
    return "the ledger knows it, the journal has lost its record"


def spoiled_journal(data: Path) -> str:
    path = max((data / "spool" / "journal").glob("*.log"))
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 0xFF
    path.write_bytes(changed)
    return "are no record"


def edited_audit(data: Path) -> str:
    with closing(sqlite3.connect(data / "vault" / "audit.db", isolation_level=None)) as stranger:
        stranger.execute("UPDATE entry SET text = replace(text, 'vault', 'nobody') WHERE seq = 1")
    return "entry 1: changed, or not in its place"


def lost_splices(data: Path) -> str:
    (data / "ledger" / "parcels" / "2.spl").unlink(missing_ok=True)
    (data / "ledger" / "parcels" / "3.spl").unlink(missing_ok=True)
    return "its splices are gone"


def no_ledger(data: Path) -> str:
    (data / "ledger" / "ledger.db").write_bytes(b"no database" * 1000)
    return "ledger.db is damaged"


def torn_ledger(data: Path) -> str:
    path = data / "ledger" / "ledger.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    return "ledger.db is damaged"


def no_vault(data: Path) -> str:
    (data / "vault" / "vault.db").write_bytes(b"no database" * 1000)
    return "vault.db does not open with root.key"


def lost_key(data: Path) -> str:
    (data / "vault" / "root.key").unlink()
    return "root.key is missing"


def test_a_healthy_folder_verifies_and_is_left_as_it_was(data: Path) -> None:
    before = {
        path: path.read_bytes() for path in data.rglob("*") if path.suffix in {".dcm", ".log"}
    }
    answer = run("verify", "--data", data)
    assert (answer.exit_code, answer.stdout) == (0, "nothing wrong found\n")
    assert one_object(run("verify", "--json", "--data", data)) == {"problems": []}
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "spoil",
    [
        flipped_byte, lost_object, cut_journal, spoiled_journal, edited_audit, lost_splices,
        no_ledger, torn_ledger, no_vault, lost_key,
    ],
)  # fmt: skip
def test_damage_is_named_in_sentences_and_ends_with_one(
    data: Path, spoil: Callable[[Path], str]
) -> None:
    sentence = spoil(data)
    answer = run("verify", "--data", data)
    assert answer.exit_code == 1
    assert sentence in answer.stdout
    problems = one_object(run("verify", "--json", "--data", data))["problems"]
    assert any(sentence in problem for problem in problems)


def test_everything_wrong_is_said_at_once(data: Path) -> None:
    sentences = [flipped_byte(data), edited_audit(data), no_ledger(data)]
    said = run("verify", "--data", data).stdout
    assert [sentence for sentence in sentences if sentence not in said] == []


@pytest.mark.parametrize("spoil", [no_ledger, torn_ledger])
@pytest.mark.parametrize("words", [("held",), ("status", "--profile", str(DEMO)), ("release", "3")])
def test_a_damaged_ledger_has_a_sentence_in_every_command(
    data: Path, words: tuple[str, ...], spoil: Callable[[Path], str]
) -> None:
    spoil(data)
    answer = run(*words, "--data", data)
    assert answer.exit_code in (1, 4)
    assert answer.stderr.startswith("appliance: ")
