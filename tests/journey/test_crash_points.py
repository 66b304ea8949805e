"""The law of both walks: wherever the power goes, a restart on the same folder ends the journey.

Each acknowledged instance is at its partner exactly once, each result is in the PACS exactly once,
every entry is in one state and came there by each move once, and the audit verifies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import pytest
import yaml

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.exam.traits import Trait
from appliance.profile import Profile, parse
from appliance.store.entry import State
from tests.box import SECRETS, Box, tree
from tests.journey.flaws import (
    Flaw,
    advances_the_cursor_first,
    asks_nobody,
    moves_first,
    remembers_the_cursor,
)
from tests.journey.outage import Journey, Outage, Stuck, audited, wire
from tests.power import Rest, nothing
from tests.studies import ct_study

# More than the acts of a walk: a test sees to it. Each cut is a test of about half a second.
ACTS = 84


@dataclass
class World:
    """Neighbours that live through all cuts, and a folder for each of them."""

    partner: SyntheticPartner
    clinic: SyntheticClinic
    folder: Path
    numbers: Iterator[int]

    def profile(self) -> Profile:
        changed = tree()
        changed["partners"][0]["send"]["url"] = self.partner.url
        changed["partners"][0]["results"]["every_min"] = 60
        changed["clinic"]["peers"][1]["port"] = self.clinic.node.port
        changed["notifications"]["webhooks"][0]["url"] = self.partner.hook_url
        return parse(yaml.safe_dump(changed))

    def journey(
        self,
        cuts: tuple[int, ...] = (),
        rest: Rest = Rest.ALL,
        deaf: Callable[[Path], bool] = nothing,
        flaw: Flaw | None = None,
    ) -> tuple[list[str], list[str]]:
        """What broke the law, and the acts of the first start."""
        number = next(self.numbers)
        acts: list[str] = []
        with Box(self.folder / f"{number}", self.profile()) as box:
            journey = Journey(box, self.partner, self.clinic, ct_study(f"PAT-{number}", 2))
            journey.begin()
            try:
                for cut_at in (*cuts, None):
                    outage = Outage(box.folder, cut_at, deaf)
                    ended = walked(journey, outage, flaw)
                    acts = acts or outage.journal
                    if ended:
                        break
                    restart(box, outage, rest)
                wrong = journey.wrong()
            except (Stuck, FileNotFoundError) as broken:
                wrong = [str(broken), *journey.wrong()]
        return [*wrong, *audited(box)], acts


def walked(journey: Journey, outage: Outage, flaw: Flaw | None) -> bool:
    """Go on until the end or the cut; whether it was the end."""
    with outage:
        wire(journey.box, outage)
        if flaw is not None:
            flaw(journey.box, outage)
        journey.go()
        return True
    return False


def restart(box: Box, outage: Outage, rest: Rest) -> None:
    """The machine comes back: it knows what its disk held, and nothing else."""
    box.stop()
    outage.fall(rest)
    box.device_s = 0.0
    box.start()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # Fewer presentation contexts make a quicker PACS; nothing here is compressed.
    traits = frozenset({Trait.REFUSES_PRIVATE})
    with SyntheticPartner() as partner, SyntheticClinic(traits, "DEMO_PACS") as clinic:
        partner.hook_secret = SECRETS["demo-hook"]
        yield World(partner, clinic, tmp_path_factory.mktemp("crash"), count(1))


@pytest.fixture(scope="module")
def acts(world: World) -> list[str]:
    """The acts of a walk that nobody disturbs."""
    wrong, acts = world.journey()
    assert wrong == []
    return acts


def test_an_undisturbed_walk_does_every_act_that_is_cut_below(acts: list[str]) -> None:
    assert len(acts) < ACTS
    for name in ("enrol", "pseudonymise", "store", "commit", "fsync", "rename", "unlink"):
        assert any(act.startswith(name) for act in acts), name


@pytest.mark.parametrize("cut_at", range(1, ACTS))
def test_a_cut_before_any_act_loses_nothing_and_doubles_nothing(world: World, cut_at: int) -> None:
    wrong, acts = world.journey((cut_at,), list(Rest)[cut_at % len(Rest)])
    assert wrong == [], acts[-1]


@pytest.mark.crash
@pytest.mark.timeout(600)  # ninety walks each
@pytest.mark.parametrize("rest", list(Rest))
def test_whatever_the_disk_keeps_of_it_a_cut_loses_and_doubles_nothing(
    world: World, acts: list[str], rest: Rest
) -> None:
    wrong = {cut: world.journey((cut,), rest)[0] for cut in range(1, len(acts) + 1)}
    assert {cut: found for cut, found in wrong.items() if found} == {}


@pytest.mark.crash
@pytest.mark.timeout(600)  # a hundred walks
def test_cuts_while_the_walk_picks_itself_up_lose_and_double_nothing(
    world: World, acts: list[str]
) -> None:
    draw = Random(20261120)
    for _ in range(100):
        cuts = tuple(draw.randint(1, len(acts)) for _ in range(draw.randint(2, 4)))
        rest = draw.choice(list(Rest))
        wrong, _ = world.journey(cuts, rest)
        assert wrong == [], (cuts, rest)


STEPS = (
    State.RECEIVED,
    State.FROZEN,
    State.PSEUDONYMISED,
    State.DELIVERED,
    State.CLAIMED,
    State.FETCHED,
    State.VALIDATED,
    State.RECONCILED,
    State.STORED,
    State.VERIFIED,
)


@pytest.mark.parametrize("state", STEPS)
def test_moving_before_acting_breaks_the_law(world: World, state: State) -> None:
    wrong, _ = world.journey((ACTS,), flaw=moves_first(state))
    assert wrong != []


@pytest.mark.parametrize(
    ("act", "deaf", "rest"),
    [
        pytest.param("rename ledger/parcels/2.spl", "2.spl.part", Rest.NAMES, id="parcel"),
        pytest.param("fsync ledger/parcels", "parcels", Rest.LOST, id="its folder"),
        pytest.param("rename ledger/home/3/1.dcm", "1.dcm.part", Rest.NAMES, id="fetched file"),
        pytest.param(
            "rename ledger/home/3/1.home.dcm", "1.home.dcm.part", Rest.NAMES, id="home file"
        ),
        pytest.param("fsync ledger/home/3", "3", Rest.LOST, id="their folder"),
    ],
)
def test_without_a_flush_a_cut_after_the_commit_breaks_the_law(
    world: World, acts: list[str], act: str, deaf: str, rest: Rest
) -> None:
    committed = acts.index("commit .", acts.index(act)) + 2
    assert world.journey((committed,), rest)[0] == []
    assert world.journey((committed,), rest, lambda path: path.name == deaf)[0] != []


def test_sending_again_without_asking_breaks_the_law(world: World, acts: list[str]) -> None:
    second = [number for number, act in enumerate(acts, 1) if act.startswith("store")][1]
    wrong, _ = world.journey((second,), flaw=asks_nobody(State.PSEUDONYMISED))
    assert any("partner got" in problem for problem in wrong)


def test_storing_again_without_asking_breaks_the_law(world: World, acts: list[str]) -> None:
    stored = [number for number, act in enumerate(acts, 1) if act.startswith("store")][-1]
    wrong, _ = world.journey((stored + 1,), flaw=asks_nobody(State.RECONCILED))
    assert any("PACS got" in problem for problem in wrong)


def test_a_cursor_before_its_arrivals_breaks_the_law(world: World) -> None:
    wrong, _ = world.journey((2,), flaw=advances_the_cursor_first)
    assert any("no end" in problem for problem in wrong)


def test_a_cursor_that_is_lost_breaks_the_law(world: World, acts: list[str]) -> None:
    frozen = acts.index("pseudonymise .") + 1
    wrong, _ = world.journey((frozen,), flaw=remembers_the_cursor)
    assert any("members in the intakes" in problem for problem in wrong), wrong
