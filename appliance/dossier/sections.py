"""The first sections of a dossier: which frame applies, until when, and what may come home.

Sections and fields are named as in the regulatory model (`dossier.expires_on`,
`retention.link_table_until`, `feedback.enabled`). Sections that the box does not act on are kept as
they are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from appliance.errors import Problem, ProfileError
from appliance.profile import Section, label, validated

PHANTOM = "test_phantom"

# `team`, `contacts` and `dpo` stand in the profile's `people`, once for all projects.
SECTIONS = (
    "dossier",
    "project",
    "approvals",
    "controller",
    "site",
    "processing",
    "deid",
    "partner",
    "transfer",
    "processors",
    "retention",
    "notice",
    "feedback",
    "security",
    "dpia",
    "attest",
    "warning_reasons",
)
_PEOPLE = ("team", "contacts", "dpo")

Frame = Literal[
    "fr_mr001",
    "fr_mr003",
    "fr_mr004",
    "fr_cnil_authorisation",
    "fr_internal_study",
    "eu_gdpr_generic",
    "uk_gdpr",
    "ch_hra",
    "us_hipaa",
    "test_phantom",
]
ObjectType = Literal["SR", "SEG", "RTSTRUCT", "PR", "KO", "SC", "PDF", "MR", "CT", "PET"]


def _research_label(text: str) -> str:
    if not any(word in text.upper() for word in ("RESEARCH", "RECHERCHE")):
        raise ValueError("the label must hold RESEARCH or RECHERCHE, so that the clinic sees it")
    return text


class DossierSection(Section):
    """Section `dossier`: the frame and the end."""

    schema_version: Annotated[
        str, label("Model version", "Version du modèle", "The version of the regulatory model.")
    ] = "1.0"
    id: Annotated[
        str | None, label("Dossier identifier", "Identifiant du dossier", "A UUID, made once.")
    ] = None
    status: Annotated[
        Literal["draft", "complete", "signed", "withdrawn"],
        label("Status", "État", "How far the dossier has come."),
    ] = "draft"
    profile: Annotated[
        Frame,
        label("Regulatory profile", "Profil réglementaire", "The legal frame of the project."),
    ]
    mr_edition: Annotated[
        Literal["2018", "2026", "not_applicable"],
        label(
            "Edition of the reference methodology",
            "Édition de la méthodologie de référence",
            "For MR-001 and MR-003; in quotes, such as '2026'.",
        ),
    ] = "not_applicable"
    lang: Annotated[
        Literal["fr", "en", "fr_en"],
        label("Language of the documents", "Langue des documents", "French, English or both."),
    ] = "fr"
    expires_on: Annotated[
        date | None,
        label(
            "Date the image must be rebuilt or wiped",
            "Date limite d’usage de l’image",
            "From this day on nothing leaves and nothing is received for the project.",
        ),
    ] = None


class Retention(Section):
    """Section `retention`: how long what is kept."""

    appliance_days: Annotated[
        int | None,
        Field(ge=1, le=365),
        label(
            "Days pseudonymised DICOM studies stay on the appliance",
            "Jours de conservation des examens sur l’appareil",
            "Drawn from the project's retention; need not be written.",
            "days",
        ),
    ] = None
    identified_inbox_hours: Annotated[
        int | None,
        Field(ge=1, le=168),
        label(
            "Hours identified originals stay before de-identification",
            "Heures de conservation des originaux identifiants",
            "From 1 to 168.",
            "hours",
        ),
    ] = None
    link_table_until: Annotated[
        date | None,
        label(
            "Link table kept until",
            "Table de correspondance conservée jusqu’au",
            "When the table of pseudonyms must be erased.",
        ),
    ] = None
    active_years_after_publication: Annotated[
        int | None,
        Field(ge=0, le=2),
        label(
            "Active base: years after the last publication",
            "Base active : années après la dernière publication",
            "From 0 to 2.",
            "years",
        ),
    ] = None
    archive_years: Annotated[
        int | None,
        Field(ge=0, le=30),
        label(
            "Intermediate archive (outside the appliance), years",
            "Archivage intermédiaire (hors appareil), années",
            "From 0 to 30.",
            "years",
        ),
    ] = None
    archive_place: Annotated[
        str | None,
        label("Where the archive is kept", "Lieu d’archivage", "If there is an archive."),
    ] = None
    archive_rule_ref: Annotated[
        str | None,
        label(
            "Text that sets the archive length",
            "Texte fixant la durée d’archivage",
            "If the archive is kept for more than 20 years.",
        ),
    ] = None
    professionals_years: Annotated[
        int | None,
        Field(ge=0, le=15),
        label(
            "Professionals’ data, years after the last project",
            "Données des professionnels, années après la dernière recherche",
            "From 0 to 15.",
            "years",
        ),
    ] = None
    log_months: Annotated[
        int | None,
        Field(ge=6, le=36),
        label("Log retention, months", "Journaux, mois", "From 6 to 36.", "months"),
    ] = None
    log_over_year_reason: Annotated[
        str | None,
        label("Why logs over one year", "Motif au-delà d’un an", "If logs are kept over a year."),
    ] = None
    auto_purge: Annotated[
        bool | None,
        label("Automatic purge on", "Purge automatique active", "true or false."),
    ] = None
    end_of_life: Annotated[
        Literal["crypto_erase_and_destroy", "crypto_erase", "destroy"] | None,
        label(
            "End of life of the SD card or disk",
            "Fin de vie du support",
            "What happens to the card in the end.",
        ),
    ] = None


class Feedback(Section):
    """Section `feedback`: results and their way back to the patient."""

    enabled: Annotated[
        bool,
        label("Results come back", "Retour de résultats", "Whether the protocol has results."),
    ] = False
    reidentify: Annotated[
        bool,
        label(
            "Results are matched back to the patient",
            "Réconciliation avec le patient",
            "Whether a result goes under the real identity.",
        ),
    ] = False
    protocol_section: Annotated[
        str | None,
        label(
            "Section of the protocol that provides for it",
            "Section du protocole qui le prévoit",
            "Where the protocol says so.",
        ),
    ] = None
    reidentified_by: Annotated[
        str | None,
        label(
            "Professional answerable for the match",
            "Professionnel responsable de la réconciliation",
            "A member of the team who may see the link table.",
        ),
    ] = None
    human_check: Annotated[
        bool,
        label(
            "A person checks each match",
            "Contrôle humain de chaque réconciliation",
            "Whether a person looks before a result is stored.",
        ),
    ] = False
    object_types: Annotated[
        tuple[ObjectType, ...],
        label("Kinds of objects accepted", "Objets acceptés", "What may come back."),
    ] = ()
    research_label: Annotated[
        Annotated[str, AfterValidator(_research_label)] | None,
        label(
            "Label in SeriesDescription",
            "Mention dans SeriesDescription",
            "Shown in the clinic; holds RESEARCH or RECHERCHE.",
        ),
    ] = None
    not_for_diagnosis: Annotated[
        bool,
        label("Marked not for diagnosis", "Marqué non destiné au diagnostic", "On each result."),
    ] = False
    device_status: Annotated[
        Literal["ce_marked", "clinical_investigation", "in_house_art5_5", "none"] | None,
        label(
            "Status of the software that made the result",
            "Statut du logiciel",
            "If results are used for care.",
        ),
    ] = None
    clinical_pacs_agreement: Annotated[
        str | None,
        label(
            "Agreement of the clinical PACS owner",
            "Accord du responsable du PACS clinique",
            "Its reference.",
        ),
    ] = None


class _FirstSections(Section):
    dossier: Annotated[
        DossierSection,
        label("Dossier", "Dossier", "The frame of the project: write at least `profile`."),
    ]
    retention: Annotated[
        Retention, label("Retention", "Conservation", "How long what is kept.")
    ] = Retention()
    feedback: Annotated[
        Feedback,
        label(
            "Feedback and return to the clinical PACS",
            "Retours et réintégration dans le PACS clinique",
            "Results and their way back.",
        ),
    ] = Feedback()


@dataclass(frozen=True)
class Dossier:
    """What the walk asks of a project's dossier."""

    profile: Frame
    expires_on: date | None
    link_table_until: date | None
    feedback: Feedback

    @property
    def feedback_enabled(self) -> bool:
        """Whether results may come home at all."""
        return self.feedback.enabled


def read(mapping: Mapping[str, object], where: str = "dossier") -> Dossier:
    """The dossier of a project. Raises ProfileError with all mistakes, their paths below `where`."""
    first = {name: mapping[name] for name in _FirstSections.model_fields if name in mapping}
    found, shape = validated(_FirstSections, first, where)
    problems = [*_strange_sections(mapping, where), *shape]
    if found is not None and found.dossier.profile != PHANTOM and not found.dossier.expires_on:
        problems.append(
            Problem(
                f"{where}.dossier.expires_on",
                "is missing: write the day from which nothing may leave, as YYYY-MM-DD",
            )
        )
    if problems or found is None:
        raise ProfileError(problems)
    return Dossier(
        found.dossier.profile,
        found.dossier.expires_on,
        found.retention.link_table_until,
        found.feedback,
    )


def expired(dossier: Dossier, today: date) -> bool:
    """Whether the date is reached at which nothing may leave any more (rule C07)."""
    return dossier.expires_on is not None and today >= dossier.expires_on


def _strange_sections(mapping: Mapping[str, object], where: str) -> list[Problem]:
    return [Problem(f"{where}.{name}", _strange(name)) for name in mapping if name not in SECTIONS]


def _strange(name: str) -> str:
    if name in _PEOPLE:
        return f"stands in the profile once for all projects: move it to people.{name}"
    near = get_close_matches(name, SECTIONS, 1, 0.5)
    if near:
        return f"a dossier has no such section; did you mean `{near[0]}`?"
    return f"a dossier has no such section; known are {', '.join(SECTIONS)}"
