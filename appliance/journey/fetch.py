"""Something for me? → CLAIMED → FETCHED: what a partner offers for our studies, frozen, then kept.

There is no lock and no clock at a DICOMweb partner: a set of new instances is claimed when two
looks, `stable_min` apart, found the same.
"""

from dataclasses import replace
from hashlib import sha256

from appliance.errors import CODES, Refusal
from appliance.journey.deliver import set_digest
from appliance.journey.doors import Doors
from appliance.journey.permission import partner_stands, project_of, subject_stands
from appliance.partner.dicomweb import DicomWeb
from appliance.profile import Qido
from appliance.store.entry import Done, Entry, Kind, NewEntry, Returned, State
from appliance.store.files import keep_file, keep_folder
from appliance.timing import Now


def something_for_me(partner: str, doors: Doors, now: Now) -> int:
    """Look at every study that this partner got; gives the number of new deliveries.

    Raises:
        Unavailable: the partner does not answer.
    """
    chosen = doors.profile.partner(partner)
    if chosen is None or not isinstance(chosen.results, Qido):
        return 0
    claimed = 0
    for parcel in doors.ledger.past.expecting(partner):
        project = doors.profile.project(parcel.project)
        offer = offered(parcel, doors) if project and project.results.send_to else ()
        if not offer:
            continue
        digest = set_digest(frozenset(item.sop for item in offer))
        stable_s = doors.ledger.offers.offered(partner, parcel.pstudy, digest, now)
        if stable_s >= chosen.results.stable_min * 60.0 and stable_s > 0:
            doors.ledger.claim(delivery(parcel, offer), now)
            claimed += 1
    return claimed


def offered(parcel: Entry, doors: Doors) -> tuple[Returned, ...]:
    """The instances of a study that the partner lists and that are neither ours nor known."""
    web = doors.partners[parcel.partner]
    # Of any parcel: some of it may have left before the rest was held, excluded or withdrawn.
    sent = doors.ledger.past.sent(parcel.study, parcel.project, parcel.partner, tuple(State))
    ours = frozenset(member.new_series for member in sent)
    known = doors.ledger.past.known_returns(parcel.partner, parcel.pstudy)
    found: list[Returned] = []
    for series in sorted(set(web.series(parcel.pstudy)) - ours):
        found += (
            Returned(item.sop_instance, series, item.sop_class, 0)
            for item in web.instances(parcel.pstudy, series)
            if item.sop_instance not in known
        )
    found.sort(key=lambda item: (item.series, item.sop))
    return tuple(
        Returned(item.sop, item.series, item.sop_class, number)
        for number, item in enumerate(found, start=1)
    )


def delivery(parcel: Entry, offer: tuple[Returned, ...]) -> NewEntry:
    """A frozen set of results of one study."""
    return NewEntry(
        Kind.DELIVERY,
        State.CLAIMED,
        parcel.project,
        parcel.partner,
        parcel.study,
        parcel.patient_id,
        parcel.issuer,
        parcel.pseudonym,
        parcel.pstudy,
        called_ae=parcel.called_ae,
        returned=offer,
    )


def fetch(entry: Entry, doors: Doors, now: Now) -> Done:
    """Every instance of the delivery is durable here, byte for byte as the partner gave it.

    Raises:
        Refusal: Q07 (a known UID with other bytes), Q13.
        Undecided: absent, no-project, dossier/C07.
        Unavailable: the partner.
    """
    project = project_of(doors, entry.project, now)
    partner_stands(doors, project, entry.partner)
    subject_stands(doors, entry)
    web = doors.partners[entry.partner]
    return Done(
        State.FETCHED,
        returned=tuple(
            fetched(entry, item, doors, web) for item in doors.ledger.view.returned(entry.id)
        ),
    )


def fetched(entry: Entry, item: Returned, doors: Doors, web: DicomWeb) -> Returned:
    """One instance on the disk; what was fetched before the power went is read again, not twice."""
    chunks: list[bytes] = []
    web.fetch(entry.pstudy, item.series, item.sop, chunks.append)
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    if item.digest and item.digest != digest.hexdigest():
        raise Refusal("Q07", CODES["Q07"].en)
    path = doors.home_file(entry.id, item.number, "dcm")
    keep_folder(path.parent)
    size = keep_file(path, chunks)
    return replace(item, digest=digest.hexdigest(), size=size)
