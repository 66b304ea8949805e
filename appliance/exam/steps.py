"""The ten steps of the promise, each seen from outside and in the ledger."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing

from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from appliance.errors import Unavailable
from appliance.exam.clinic import Node
from appliance.exam.loopback import MODALITY, called_ae
from appliance.exam.stage import LOOK_S, STEP_S, Failed, Stage
from appliance.exam.traits import Trait
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
    refused = [status for status in answers.values() if status]
    if refused or len(answers) != len(stage.study.instances):
        raise Failed(f"{len(refused)} instances refused, the first with 0x{refused[0]:04X}")
    return f"{len(answers)} instances acknowledged"


def box_pseudonymises(stage: Stage) -> str:
    """2: the study is frozen, and has another name."""
    event = stage.event("parcel.pseudonymised")
    return f"{event.detail['count']} instances, now {event.detail['pseudonym']}"


def box_delivers(stage: Stage) -> str:
    """3: the partner has each instance once, proves it, and sees nothing of the patient."""
    stage.event("parcel.confirmed")
    taken = [one for one in stage.study.instances if one.Modality == "CT" and "PixelData" in one]
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
    (study,) = stage.partner.studies()
    result = stage.partner.make_result(study)
    return f"a {result.Modality} that refers to the study"


def box_asks(stage: Stage) -> str:
    """6: something for me?"""
    event = stage.event("delivery.claimed")
    return f"{event.detail['count']} instance found and claimed"


def box_fetches(stage: Stage) -> str:
    """7: the result is durable here."""
    stage.event("delivery.fetched")
    return "fetched instance by instance"


def box_reconciles(stage: Stage) -> str:
    """8: validated, and under the real identity again."""
    stage.event("delivery.validated")
    stage.event("delivery.reconciled")
    return "validated, reconciled, read again"


def clinic_receives(stage: Stage) -> str:
    """9: a person lets it go; the PACS keeps it once, under the right patient, in a new series."""
    stage.release("review")
    if Trait.B007 in stage.traits:
        stage.release("pacs-warning")
    event = stage.event("delivery.verified")
    identity = stage.study.identity
    acquired = {str(one.SeriesInstanceUID) for one in stage.study.instances}
    for files in stage.clinic.pacs.stored.values():
        home = dcmread(DicomBytesIO(files[0]))
        if (str(home.PatientID), str(home.StudyInstanceUID)) != (
            identity["PatientID"],
            stage.study.uid,
        ):
            raise Failed("a result stands under another patient or study")
        if str(home.SeriesInstanceUID) in acquired:
            raise Failed("a result stands in an acquired series")
        if pseudonym(stage).encode() in files[0]:
            raise Failed("the pseudonym reached the PACS")
    counts = {len(files) for files in stage.clinic.pacs.stored.values()}
    if counts != {1}:
        raise Failed("the PACS did not get the result exactly once")
    return f"stored once, proven by {event.detail['proof']}"


def told_verified(stage: Stage) -> str:
    """10: the webhook again."""
    return told(stage, "delivery.verified")


def pseudonym(stage: Stage) -> str:
    """What the partner calls the patient."""
    return str(stage.event("parcel.pseudonymised").detail["pseudonym"])


def told(stage: Stage, kind: str) -> str:
    """Wait for a webhook of this kind whose signature is right."""
    deadline = time.monotonic() + STEP_S
    while time.monotonic() < deadline:
        for message in stage.partner.messages:
            if message["type"] == f"org.researchpacs.{kind}":
                return "signed webhook received"
        time.sleep(LOOK_S)
    raise Failed("no signed webhook came")


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
