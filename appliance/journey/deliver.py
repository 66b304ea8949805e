"""PSEUDONYMISED → DELIVERED → CONFIRMED → PURGED: instance by instance, then proof, then rest."""

from collections.abc import Sequence
from hashlib import sha256
from mmap import ACCESS_READ, mmap

from appliance import deid
from appliance.errors import CODES, Refusal, Unavailable, Undecided
from appliance.journey.doors import Doors
from appliance.journey.permission import (
    partner_stands,
    project_of,
    subject_stands,
    trusted_time,
)
from appliance.partner.dicomweb import DicomWeb, Outgoing
from appliance.store.entry import Done, Entry, Member, State
from appliance.store.files import drop, sync_folder
from appliance.timing import Now

OUT = ("DELIVERED", "CONFIRMED", "PURGED")


def deliver(entry: Entry, doors: Doors, now: Now) -> Done:
    """Send what the partner does not list yet, one instance per request.

    Raises:
        Undecided: review, clock, absent, partner-refused, dossier/C07.
        Refusal: D09 (bytes changed on the disk), D10.
        Unavailable: the partner or the vault.
    """
    project = project_of(doors, entry.project, now)
    partner_stands(doors, project, entry.partner)
    subject_stands(doors, entry)
    trusted_time(now)
    if project.release == "review" and "review" not in entry.settled:
        raise Undecided("review", CODES["review"].en)
    members = going(doors, entry)
    if not members:
        raise Refusal("D09", "a parcel without instances: nothing of it can be proven")
    send_missing(entry, doors, members, listed(doors.partners[entry.partner], entry, members))
    return Done(State.DELIVERED, notes={"count": len(members)})


def confirm(entry: Entry, doors: Doors, now: Now) -> Done:
    """The partner lists exactly what was sent in our series; what it lost is sent again.

    Raises:
        Undecided: absent.
        Unavailable: the partner does not list everything yet.
    """
    project = project_of(doors, entry.project, now)
    partner_stands(doors, project, entry.partner)
    states = tuple({*OUT, entry.state.value})
    union = doors.ledger.past.sent(entry.study, entry.project, entry.partner, states)
    found = listed(doors.partners[entry.partner], entry, union)
    expected = frozenset(member.new_sop for member in union)
    ever = doors.ledger.past.sent(entry.study, entry.project, entry.partner, tuple(State))
    if strangers := found - {member.new_sop for member in ever}:
        more = len(strangers)
        raise Unavailable(f"the partner lists {more} instances in our series that were never sent")
    mine = going(doors, entry)
    missing = frozenset(member.new_sop for member in mine) - found
    if missing:
        trusted_time(now)
        send_missing(entry, doors, mine, found)
        raise Unavailable(f"the partner lists {len(missing)} instances fewer than were sent")
    if expected - found:
        raise Unavailable("the partner no longer lists instances of an earlier parcel")
    return Done(State.CONFIRMED, {"proof": set_digest(expected)}, notes={"count": len(mine)})


def purge(entry: Entry, doors: Doors, now: Now) -> Done:
    """Retention has passed: the splices go; rows, sent set and vault stay."""
    trusted_time(now)
    path = doors.parcel_file(entry.id)
    drop(path)
    # Else a power cut could bring the file back, and nobody would look for it again.
    sync_folder(path.parent)
    return Done(State.PURGED)


def going(doors: Doors, entry: Entry) -> tuple[Member, ...]:
    """The instances of a parcel that leave."""
    return tuple(m for m in doors.ledger.view.members(entry.id) if m.state is State.PSEUDONYMISED)


def listed(partner: DicomWeb, entry: Entry, members: Sequence[Member]) -> frozenset[str]:
    """What the partner lists in the series that we send; its own series are its own."""
    present: set[str] = set()
    for series in sorted({member.new_series for member in members}):
        present.update(item.sop_instance for item in partner.instances(entry.pstudy, series))
    return frozenset(present)


def set_digest(uids: frozenset[str]) -> str:
    """One name for a set of instances."""
    return sha256("\n".join(sorted(uids)).encode()).hexdigest()


def send_missing(
    entry: Entry, doors: Doors, members: Sequence[Member], present: frozenset[str]
) -> None:
    """Each instance once, and none after the subject withdrew.

    What the partner lists already is not sent again.
    """
    arrivals = {
        seq: sop_class for seq, _, _, sop_class, _, _ in doors.ledger.past.arrivals(entry.id)
    }
    partner = doors.partners[entry.partner]
    for member in members:
        if member.new_sop not in present:
            subject_stands(doors, entry)
            splices = kept_splices(entry, doors, member)
            partner.store(outgoing(entry, doors, member, arrivals[member.seq], splices))


def kept_splices(entry: Entry, doors: Doors, member: Member) -> Sequence[deid.Splice]:
    """The splices of one instance, as they were kept."""
    try:
        with doors.parcel_file(entry.id).open("rb") as file:
            file.seek(member.start)
            return deid.unpack(file.read(member.length))
    except (FileNotFoundError, ValueError):
        raise Refusal("D09", "the parcel's splices are missing or damaged on the disk") from None


def outgoing(
    entry: Entry, doors: Doors, member: Member, sop_class: str, splices: Sequence[deid.Splice]
) -> Outgoing:
    """A pseudonymised instance, checked against its digest before the first byte leaves."""
    try:
        with doors.journal.path(member.seq).open("rb") as received:
            data = memoryview(mmap(received.fileno(), 0, access=ACCESS_READ))
    except (FileNotFoundError, ValueError):
        raise Refusal("D09", "the received bytes are missing on the disk") from None
    digest = sha256()
    for piece in deid.assemble(splices, data):
        digest.update(piece)
    if digest.hexdigest() != member.digest:
        raise Refusal("D09", "the bytes on the disk are not those that were checked")
    return Outgoing(
        sop_class,
        member.new_sop,
        entry.pstudy,
        deid.assemble(splices, data),
        deid.length(splices),
    )
