"""The ten steps of the promise, each seen from outside and in the ledger."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO

from appliance.errors import Unavailable
from appliance.exam.clinic import Node
from appliance.exam.loopback import MODALITY, called_ae
from appliance.exam.material import PRIVATE_SOP_CLASS
from appliance.exam.stage import Failed, Stage
from appliance.exam.traits import Trait
from appliance.store.entry import Kind, State
from appliance.store.vault_door import VaultClient
from appliance.store.vault_values import Enrolment


def clinic_sends(stage: Stage) -> str:
    """1: every instance is answered with success."""
    project = stage.profile.projects[0]
    if Trait.ONE_AE in stage.traits:
        identity = stage.study.identity
        patient = Enrolment(identity["PatientID"], identity["IssuerOfPatientID"])
        with closing(VaultClient(stage.data / "run" / "vault.sock")) as vault:
            vault.enrol(project.code, (patient,))
    box = Node("127.0.0.1", stage.profile.clinic.listen.port, called_ae(stage.profile))
    try:
        answers = stage.clinic.send(stage.study, box, MODALITY)
    except Unavailable as unavailable:
        raise Failed(unavailable.reason) from None
    sent = len(stage.study.instances)
    refused = [status for status in answers.values() if status]
    if refused:
        raise Failed(f"{len(refused)} of {sent} instances refused, one with 0x{refused[0]:04X}")
    if len(answers) != sent:
        raise Failed(f"{len(answers)} of {sent} instances were answered")
    private = sent - len(standard(stage))
    twice = ", each sent twice" if Trait.COERCES in stage.traits else ""
    return f"{sent} instances acknowledged{twice}, {private} of them of a private class"


def box_pseudonymises(stage: Stage) -> str:
    """2: the study is frozen, and has another name; what is of a private class stays here."""
    events = stage.events("parcel.pseudonymised", len(standard(stage)))
    aside = {
        member.sop
        for entry in stage.view.entries((), (Kind.PARCEL,))
        for member in stage.view.members(entry.id)
        if member.state is State.EXCLUDED
    }
    private = uids(stage.study.instances) - uids(standard(stage))
    if aside != private:
        raise Failed(f"{len(aside)} instances were excluded, {len(private)} are of a private class")
    count = sum(int(event.detail["count"]) for event in events)
    named = f"{count} instances, now of {events[0].detail['pseudonym']}"
    return f"{named}; {len(aside)} of a private class excluded"


def box_delivers(stage: Stage) -> str:
    """3: the partner has each instance once, proves it, and sees nothing of the patient."""
    taken = standard(stage)
    stage.events("parcel.confirmed", len(taken))
    counts = stage.partner.stored
    if len(counts) != len(taken) or set(counts.values()) != {1}:
        raise Failed(f"the partner has {sum(counts.values())} instances, {len(taken)} were taken")
    seen = b"".join(stage.partner.witness)
    leaked = [word for word in stage.study.canaries if word.encode() in seen]
    leaked += [uid for uid in stage.study.uids() if uid.encode() in seen]
    if leaked:
        raise Failed(f"{len(leaked)} identifying values reached the partner")
    return f"{len(counts)} instances, each once; no identity among {len(seen)} bytes"


def told_confirmed(stage: Stage) -> str:
    """4: the webhook is signed and names nobody."""
    return told(stage, "parcel.confirmed")


def partner_works(stage: Stage) -> str:
    """5: a result that refers to what was sent."""
    studies = stage.partner.studies()
    if len(studies) != 1:
        raise Failed(f"the partner has {len(studies)} studies to work on, not one")
    result = stage.partner.make_result(studies[0])
    return f"a {result.Modality} that refers to the study"


def box_asks(stage: Stage) -> str:
    """6: something for me?"""
    events = stage.events("delivery.claimed")
    return f"{events[0].detail['count']} instance found and claimed"


def box_fetches(stage: Stage) -> str:
    """7: the result is durable here."""
    stage.events("delivery.fetched")
    return "fetched instance by instance"


def box_reconciles(stage: Stage) -> str:
    """8: validated, and under the real identity again."""
    stage.events("delivery.validated")
    stage.events("delivery.reconciled")
    return "validated, reconciled, read again"


def clinic_receives(stage: Stage) -> str:
    """9: a person lets it go; the PACS keeps it once, under the right patient, in a new series."""
    stage.release("review")
    if Trait.B007 in stage.traits:
        stage.release("pacs-warning")
    (event, *_) = stage.events("delivery.verified")
    stored = stage.clinic.pacs.stored
    counts = {len(files) for files in stored.values()}
    if len(stored) != event.detail["count"] or counts != {1}:
        raise Failed("the PACS did not get the result exactly once")
    for files in stored.values():
        at_home(stage, files[0])
    return f"stored once after a release, proven by {event.detail['proof']}"


def at_home(stage: Stage, file: bytes) -> None:
    """A result stands where it belongs, and nothing of the partner's names is left in it.

    Raises:
        Failed: another patient or study, an acquired series, the pseudonym.
    """
    home = dcmread(DicomBytesIO(file))
    here = (stage.study.identity["PatientID"], stage.study.uid)
    if (str(home.PatientID), str(home.StudyInstanceUID)) != here:
        raise Failed("a result stands under another patient or study")
    if str(home.SeriesInstanceUID) in stage.study.uids():
        raise Failed("a result stands in an acquired series")
    for event in stage.events("parcel.pseudonymised"):
        if str(event.detail["pseudonym"]).encode() in file:
            raise Failed("the pseudonym reached the PACS")


def told_verified(stage: Stage) -> str:
    """10: the webhook again."""
    return told(stage, "delivery.verified")


def told(stage: Stage, kind: str) -> str:
    """Wait for a webhook of this kind whose signature is right."""

    def look() -> str | None:
        for message in stage.partner.messages:
            if message["type"] == f"org.researchpacs.{kind}":
                return "signed webhook received"
        return None

    def absent() -> str:
        forged = stage.partner.forged
        return "no signed webhook came" + (f" ({forged} with a wrong signature)" if forged else "")

    return stage.wait(look, absent)


def standard(stage: Stage) -> Sequence[Dataset]:
    """The instances of the study that are not of a manufacturer's own class."""
    return [one for one in stage.study.instances if one.SOPClassUID != PRIVATE_SOP_CLASS]


def uids(instances: Sequence[Dataset]) -> set[str]:
    """Their SOP instance UIDs."""
    return {str(one.SOPInstanceUID) for one in instances}


STEPS: Mapping[str, Callable[[Stage], str]] = {
    "clinic to box (C-STORE)": clinic_sends,
    "pseudonymised": box_pseudonymises,
    "box to partner (STOW-RS), proven": box_delivers,
    "people told: delivered": told_confirmed,
    "partner makes a result": partner_works,
    "something for me? (QIDO-RS)": box_asks,
    "result fetched (WADO-RS)": box_fetches,
    "reconciled": box_reconciles,
    "box to clinic (C-STORE), proven": clinic_receives,
    "people told: result home": told_verified,
}
