"""An enemy inside: what fails costs itself alone, and what is said of it names nobody."""

from threading import Thread
from time import sleep

import pytest

from appliance.service import workers
from appliance.service.falls import told
from appliance.service.workers import MOST_BYTES, Pool

NAME = "NACHNAMEPAT-4711^VORNAME"


def names_its_key(piece: int) -> int:
    return {0: 0}[piece] if piece == 0 else {}[f"{NAME} {piece}"]


def wants_too_much(piece: int) -> int:
    return piece if piece == 0 else len(bytearray(MOST_BYTES + 1))


def hangs(piece: int) -> int:
    sleep(60.0 if piece else 0.01)
    return piece


@pytest.mark.parametrize("work", [names_its_key, wants_too_much])
@pytest.mark.timeout(60)  # Worker processes are started anew.
def test_a_worker_that_fails_costs_its_piece_and_says_no_name(work, capsys) -> None:
    pool = Pool()
    try:
        assert pool.run(work, (0, 1)) == [0, None]
    finally:
        pool.stop()
    said = capsys.readouterr().err
    assert work.__name__ in said
    assert NAME not in said


@pytest.mark.timeout(60)  # Worker processes are started anew.
def test_a_hanging_piece_of_one_study_never_ends_the_walk_of_another(monkeypatch) -> None:
    pool = Pool()
    made: list[object] = []
    try:
        assert pool.run(hangs, (0,)) == [0]
        monkeypatch.setattr(workers, "LONGEST_S", 1.0)
        ill = Thread(target=lambda: pool.run(hangs, (1,)))
        well = Thread(target=lambda: made.append(pool.run(hangs, (0,) * 4)))
        ill.start()
        sleep(0.3)
        well.start()
        well.join()
        ill.join()
    finally:
        pool.stop()
    assert len(made) == 1, "an exception that is none of the four words ends the process"


def test_a_fallen_process_says_where_and_never_whom() -> None:
    try:
        try:
            names_its_key(1)
        except KeyError as error:
            raise ValueError(f"no such subject: {NAME}") from error
    except ValueError as error:
        said = told(error)
    assert "ValueError" in said
    assert "KeyError" in said
    assert "names_its_key" in said
    assert "4711" not in said


def test_a_full_disk_is_told_by_its_name_and_without_the_file() -> None:
    assert told(OSError(28, "No space left on device", NAME)) == (
        "appliance: OSError (No space left on device)\n"
    )
