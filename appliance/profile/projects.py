"""The research projects: what comes in, what is taken, how it leaves and what comes home."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from appliance.profile.policy import Policy
from appliance.profile.section import Section, label, within
from appliance.profile.values import AeTitle, Line, Modality, Name, ProjectCode, Uid


class Route(Section):
    """How a study finds its project."""

    called_ae: Annotated[
        AeTitle | None,
        label(
            "Called AE title",
            "AE title appelé",
            "The AE title to which the clinic sends for this project; without it enrolment decides.",
        ),
    ] = None
    calling_ae: Annotated[
        tuple[AeTitle, ...],
        label(
            "Calling AE titles",
            "AE titles appelants",
            "Only from these nodes; empty means from every peer that may store.",
        ),
    ] = ()
    subjects: Annotated[
        Literal["enrolled", "any"],
        label(
            "Subjects",
            "Participants",
            "enrolled: only patients on the list. any: who is sent is enrolled.",
        ),
    ] = "enrolled"


class Take(Section):
    """One kind of instance that is taken; all lists that are not empty must match."""

    modality: Annotated[
        tuple[Modality, ...],
        label("Modalities", "Modalités", "Values of Modality, such as CT; empty means all."),
    ] = ()
    sop_class: Annotated[
        tuple[Uid, ...],
        label("SOP classes", "Classes SOP", "UIDs of SOP classes; empty means all."),
    ] = ()
    description: Annotated[
        tuple[Line, ...],
        label(
            "Series descriptions",
            "Descriptions de série",
            "Patterns with * and ?, such as *T1*; empty means all.",
        ),
    ] = ()


class Results(Section):
    """What happens to results that come home."""

    release: Annotated[
        Literal["review", "automatic"],
        label(
            "Release of results",
            "Libération des résultats",
            "review: a person lets each result into the PACS. automatic: nobody is asked.",
        ),
    ] = "review"
    send_to: Annotated[
        Name | None,
        label(
            "Results go to",
            "Destination des résultats",
            "The peer which takes the results; without it none are fetched.",
        ),
    ] = None


class Retention(Section):
    """How long bytes stay on the box after they are confirmed."""

    bytes_days: Annotated[
        int,
        within(1, 365),
        label(
            "Keep images",
            "Conservation des images",
            "How long images stay on the box after the partner has confirmed them.",
            "days",
        ),
    ] = 30


class Project(Section):
    """One research project, or the registry."""

    code: Annotated[
        ProjectCode,
        label("Code", "Code", "2 to 4 letters or digits; stands in pages, mails and file names."),
    ]
    kind: Annotated[
        Literal["research", "registry"],
        label("Kind", "Type", "A research project, or the registry that keeps a copy of all."),
    ] = "research"
    source: Annotated[
        Literal["clinic", "registry"],
        label("Source", "Source", "Where the studies come from: the clinic or the registry."),
    ] = "clinic"
    route: Annotated[Route, label("Route", "Routage", "How a study finds this project.")] = Route()
    take: Annotated[
        tuple[Take, ...],
        label("Taken", "Objets pris", "What is taken; the rest is excluded. Empty: everything."),
    ] = ()
    deid: Annotated[
        Policy,
        label("De-identification", "Dé-identification", "What is removed, replaced and kept."),
    ] = Policy()
    partners: Annotated[
        tuple[Name, ...],
        label("Partners", "Partenaires", "The partners which receive this project's studies."),
    ] = ()
    release: Annotated[
        Literal["automatic", "review"],
        label(
            "Release of studies",
            "Libération des examens",
            "automatic: studies leave by themselves. review: a person lets each one go.",
        ),
    ] = "review"
    results: Annotated[
        Results, label("Results", "Résultats", "What happens to results that come home.")
    ] = Results()
    settle_min: Annotated[
        float,
        within(0, 1440),
        label(
            "Quiet time of a study",
            "Temps de repos d'un examen",
            "How long nothing must arrive before a study counts as complete.",
            "min",
        ),
    ] = 45.0
    retention: Annotated[
        Retention, label("Retention", "Conservation", "How long images stay on the box.")
    ] = Retention()
    dossier: Annotated[
        Mapping[str, object],
        label("Dossier", "Dossier réglementaire", "The regulatory record of this project."),
    ] = Field(default_factory=dict)
