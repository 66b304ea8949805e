"""The week as `examples/hospital.yaml` lives it, on a simulated clock; partner and PACS on loopback.

Only addresses, passwords and the interval of polling differ from the example; nobody decides
anything until the week is over.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from appliance.errors import CODES
from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.profile import Profile, parse
from appliance.store.entry import Entry, Kind, State
from appliance.store.vault_values import Enrolment
from tests.box import ROOT, Box, head
from tests.week.material import Patient
from tests.week.plan import Sending, Study, Week, ordinary_week

EXAMPLE = ROOT / "examples" / "hospital.yaml"
HOUR_S = 3_600.0
DAYS = 8
# A tick every quarter of an hour: settle times are three and four of them.
STEP_S = 900.0
LIST_COMES_H = 6 * 24 + 1.0


@dataclass
class Hospital:
    """The box, its neighbours and the week that goes by."""

    box: Box
    partner: SyntheticPartner
    clinic: SyntheticClinic
    week: Week
    peers: Mapping[str, str]

    def live(self) -> None:
        """Seven days, and a day for what came last."""
        self.enrol(self.week.enrolled, 1)
        todo = sorted(
            ((one.hour, number, one) for number, one in enumerate(self.sendings())),
            key=lambda due: due[:2],
        )
        late = list(self.week.enrolled_late)
        while self.box.device_s < DAYS * 24 * HOUR_S:
            hour = self.box.device_s / HOUR_S
            while todo and todo[0][0] <= hour:
                self.arrive(todo.pop(0)[2])
            if late and hour >= LIST_COMES_H:
                self.enrol(late, 1 + len(self.week.enrolled))
                late = []
            self.box.walk.tick()
            night = not todo or todo[0][0] > hour + 6
            self.box.device_s += (4 if night else 1) * STEP_S

    def sendings(self) -> Iterator[Sending]:
        for study in self.week.studies:
            yield from study.sendings

    def enrol(self, patients: Sequence[Patient], first: int) -> None:
        """The study nurse's list, with the numbers of inclusion."""
        rows = tuple(
            Enrolment(patient.number, "", f"COEUR-{number:03}")
            for number, patient in enumerate(patients, first)
        )
        self.box.vault.enrol("CMR", rows)

    def arrive(self, sending: Sending) -> None:
        """The objects are in the PACS, and the box acknowledges each."""
        self.clinic.pacs.has(one.dataset for one in sending.instances)
        peer = self.peers[sending.calling]
        for one in sending.instances:
            told = replace(
                head(one.dataset, sending.called, peer),
                calling_ae=sending.calling,
                transfer_syntax=one.syntax,
            )
            self.box.spool.keep(told, [one.encoded()])

    # ── what became of it ─────────────────────────────────────────────────────────────────────

    def entries(self, study: Study) -> list[Entry]:
        return [entry for entry in self.box.entries() if entry.study == study.uid]

    def held(self) -> list[Entry]:
        return [entry for entry in self.box.entries() if entry.state is State.HELD]

    def waiting(self) -> list[Study]:
        """The studies of which something waits for a person."""
        held = {entry.study for entry in self.held()}
        return [study for study in self.week.studies if study.uid in held]

    def freed(self) -> dict[str, str]:
        """Study → code of the holds that ended without anybody."""
        by_number = {entry.id: entry for entry in self.box.entries()}
        return {
            by_number[event.entry].study: str(event.detail["code"])
            for event in self.box.ledger.view.events_since(0, 100_000)
            if event.kind.endswith(".held")
            and event.entry is not None
            and by_number[event.entry].state is not State.HELD
        }

    def press(self) -> None:
        """One button for each hold: the first that the page offers; then a morning goes by."""
        for entry in self.held():
            verb = CODES[entry.code].offers[0]
            self.box.decide(verb, entry, *(("LIV",) if verb == "assign" else ()))
        self.box.run(4 * HOUR_S, STEP_S)

    def lost(self) -> list[str]:
        """Objects that are not accounted for exactly once on their way, in sentences."""
        problems: list[str] = []
        sent = Counter(
            (sending.called, str(one.dataset.SOPInstanceUID))
            for study in self.week.studies
            for sending in study.sendings
            for one in sending.instances
        )
        for kind in (Kind.INTAKE, Kind.PARCEL):
            found = Counter(
                (entry.called_ae, member.sop)
                for entry in self.box.entries(kind)
                for member in self.box.ledger.view.members(entry.id)
            )
            waiting = Counter(
                (entry.called_ae, member.sop)
                for entry in self.box.entries(Kind.INTAKE)
                if kind is Kind.PARCEL and entry.state in (State.HELD, State.EXCLUDED)
                for member in self.box.ledger.view.members(entry.id)
            )
            if found + waiting != sent:
                problems.append(f"{kind}s: {(sent - found - waiting).total()} missing")
        leaving = Counter(
            member.new_sop
            for entry in self.box.entries(Kind.PARCEL)
            if entry.state is State.CONFIRMED
            for member in self.box.ledger.view.members(entry.id)
            if member.state is State.PSEUDONYMISED
        )
        if leaving != self.partner.stored:
            problems.append("the partners have other instances than were sent, or not once")
        return problems

    def quarantined(self) -> int:
        """Objects and entries that were refused."""
        entries = self.box.entries()
        return sum(entry.quarantined for entry in entries) + sum(
            entry.state is State.QUARANTINED for entry in entries
        )


def changed(partner_url: str, pacs_port: int) -> Profile:
    """The example with the addresses of the loopback."""
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["device"] |= {"proxy": None}
    tree["notifications"] = {}
    for partner in tree["partners"]:
        partner["send"] |= {"url": partner_url, "auth": {"kind": "none"}}
        if "results" in partner:
            # The week asks for no results; each question is a request for each study.
            partner["results"]["every_min"] = 24 * 60
    for peer in tree["clinic"]["peers"]:
        if peer["kind"] == "pacs":
            peer |= {"host": "127.0.0.1", "port": pacs_port}
    return parse(yaml.safe_dump(tree))


@contextmanager
def hospital(folder: Path) -> Iterator[Hospital]:
    """A hospital before its week."""
    with SyntheticPartner() as partner, SyntheticClinic(ae_title="PACS_CHUVE") as clinic:
        profile = changed(partner.url, clinic.node.port)
        peers = {peer.ae_title: peer.name for peer in profile.clinic.peers}
        with Box(folder / "data", profile) as box:
            yield Hospital(box, partner, clinic, ordinary_week(), peers)
