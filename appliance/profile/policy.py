"""What de-identification keeps, replaces and holds in one project (PS3.15 Annex E)."""

from typing import Annotated, Literal

from appliance.profile.section import Section, label, within

# An offset of more than ten years would make examination dates absurd.
LONGEST_SHIFT_DAYS = 3650

Option = Literal[
    "retain_modified_dates",
    "retain_full_dates",
    "retain_patient_characteristics",
    "retain_device_identity",
    "retain_institution_identity",
]


class Dates(Section):
    """One rule for all dates of a project."""

    policy: Annotated[
        Literal["remove", "shift", "keep"],
        label(
            "Dates",
            "Dates",
            "remove; shift by one number of days per subject (retain_modified_dates); keep (retain_full_dates).",
        ),
    ] = "remove"
    min_days: Annotated[
        int,
        within(1, LONGEST_SHIFT_DAYS),
        label("Least shift", "Décalage minimal", "The least that dates move back.", "days"),
    ] = 1
    max_days: Annotated[
        int,
        within(1, LONGEST_SHIFT_DAYS),
        label("Greatest shift", "Décalage maximal", "The most that dates move back.", "days"),
    ] = LONGEST_SHIFT_DAYS


class Pseudonyms(Section):
    """Where the name of a subject in the project comes from."""

    pseudonym: Annotated[
        Literal["keyed", "given"],
        label(
            "Pseudonym",
            "Pseudonyme",
            "keyed: computed with the project's key. given: imported with the list of subjects.",
        ),
    ] = "keyed"


class Objects(Section):
    """What happens to objects whose content cannot be cleaned by rule."""

    sr: Annotated[
        Literal["hold", "replace", "quarantine"],
        label(
            "Structured reports",
            "Comptes rendus structurés",
            "hold: a person decides. replace: the content becomes one empty line. quarantine: refused.",
        ),
    ] = "hold"
    presentation_state: Annotated[
        Literal["quarantine", "hold"],
        label(
            "Presentation states",
            "États de présentation",
            "Drawings and texts laid over images: refused, or a person decides.",
        ),
    ] = "quarantine"
    encapsulated: Annotated[
        Literal["quarantine", "hold"],
        label(
            "Encapsulated documents",
            "Documents encapsulés",
            "PDF, CDA, STL: refused, or a person decides.",
        ),
    ] = "quarantine"
    video: Annotated[
        Literal["hold", "quarantine"],
        label("Video", "Vidéo", "Video is not looked at frame by frame: held or refused."),
    ] = "hold"


class Pixels(Section):
    """Names burned into images."""

    review: Annotated[
        Literal["on_risk", "never"],
        label(
            "Look at images",
            "Contrôle des images",
            "on_risk: a person looks where names may be burned in. never: nobody looks.",
        ),
    ] = "on_risk"


class LeakGuard(Section):
    """The second look at what is about to leave."""

    min_token: Annotated[
        int,
        within(2, 8),
        label(
            "Shortest text",
            "Texte le plus court",
            "The shortest part of a name or number that the leak guard looks for.",
            "characters",
        ),
    ] = 3


class Policy(Section):
    """The whole de-identification policy of a project."""

    mode: Annotated[
        Literal["pseudonymise"],
        label("Mode", "Mode", "Pseudonymise: the hospital alone can tell who the subject is."),
    ] = "pseudonymise"
    options: Annotated[
        tuple[Option, ...],
        label(
            "Options of PS3.15",
            "Options PS3.15",
            "What is kept beyond the Basic Profile; an option must be allowed by the protocol.",
        ),
    ] = ()
    dates: Annotated[Dates, label("Dates", "Dates", "What becomes of dates and times.")] = Dates()
    identity: Annotated[
        Pseudonyms, label("Identity", "Identité", "What stands in the place of the patient.")
    ] = Pseudonyms()
    objects: Annotated[
        Objects, label("Objects", "Objets", "What happens to reports, documents and video.")
    ] = Objects()
    pixels: Annotated[
        Pixels, label("Pixels", "Pixels", "What happens where names may be in the image.")
    ] = Pixels()
    already_deidentified: Annotated[
        Literal["hold", "send"],
        label(
            "Already de-identified",
            "Déjà dé-identifié",
            "An instance marked as de-identified by somebody else: held, or treated like others.",
        ),
    ] = "hold"
    leak_guard: Annotated[
        LeakGuard, label("Leak guard", "Contrôle de sortie", "The second look before leaving.")
    ] = LeakGuard()
