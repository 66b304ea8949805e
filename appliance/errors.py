"""Four words for what can go wrong, and the one table of codes.

    ApplianceError
    ├── ProfileError   a person edits the profile        → a message per field   → exit 4
    ├── Refusal        this thing, never                 → quarantined           → exit 4
    ├── Undecided      a person must decide              → held                  → exit 4
    └── Unavailable    a neighbour is not ready          → tried again later     → exit 1

Anything else is a bug: it rises, the process dies, the attempt was counted. No message carries a
name, an identifier or an original UID.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands (`clinic.listen.port`), what is wrong and what to do."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ApplianceError(Exception):
    """The root of the four words."""


class ProfileError(ApplianceError):
    """The profile has mistakes; all of them are in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Refusal(ApplianceError):
    """This instance, parcel or delivery is never passed on. `code` stands in `CODES`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Undecided(ApplianceError):
    """A person must decide. `code` stands in `CODES` and says what he may choose."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class Unavailable(ApplianceError):
    """A neighbour is not ready; `wait_s` is his own wish, capped by the caller."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


@dataclass(frozen=True)
class Code:
    """What a code means to a person, in French and English, and the decisions that he may take."""

    en: str
    fr: str
    offers: tuple[str, ...] = ()
    # What must change for the walk to try again by itself: vault, profile, clock, neighbour.
    cause: str = ""


_GO_OR_DROP = ("release", "exclude")
_GO_OR_REFUSE = ("release", "refuse")

CODES: dict[str, Code] = {
    # outward
    "D01": Code(
        "an instance cannot be read as DICOM, or is beyond a limit: release to send the others",
        "une image est illisible comme DICOM, ou hors limite : libérer pour envoyer les autres",
        _GO_OR_DROP,
    ),
    "D02": Code(
        "SOP class or transfer syntax that the profile forbids",
        "classe SOP ou syntaxe de transfert interdite par le profil",
    ),
    "D03": Code(
        "no Patient ID, or several patients in one study: ask the modality, then exclude",
        "Patient ID absent, ou plusieurs patients dans un examen : voir la modalité, puis écarter",
        ("exclude",),
    ),
    "D04": Code(
        "already de-identified: release if it is meant to be sent again",
        "déjà dé-identifié : libérer si l'envoi est voulu",
        _GO_OR_DROP,
    ),
    "D05": Code(
        "names may be burned into the pixels: look, then release or exclude",
        "des noms peuvent être incrustés dans l'image : regarder, puis libérer ou écarter",
        _GO_OR_DROP,
    ),
    "D06": Code(
        "content that cannot be cleaned (document, report, video): exclude it",
        "contenu impossible à nettoyer (document, compte rendu, vidéo) : écarter",
        ("exclude",),
    ),
    "D07": Code(
        "text that its character set cannot read",
        "texte illisible dans son jeu de caractères",
        ("exclude",),
    ),
    "D08": Code(
        "the leak guard found the patient's identity in what would leave: exclude, or change the policy; a release lets only short common words pass",
        "le contrôle de sortie a trouvé l'identité du patient : écarter, ou changer la politique ; libérer ne laisse passer que des mots courts et courants",
        _GO_OR_DROP,
        "profile",
    ),
    "D09": Code(
        "a check of an instance or of its bytes failed: release to send the others without it",
        "une vérification d'une image ou de ses octets a échoué : libérer pour envoyer les autres",
        _GO_OR_DROP,
    ),
    "D10": Code("subject withdrawn or project ended", "participant retiré ou projet terminé"),
    "D11": Code(
        "policy, table or key of this device is not the profile's",
        "politique, table ou clé différente de celle du profil",
    ),
    "D12": Code(
        "a face could be rebuilt: release if the protocol allows it",
        "un visage pourrait être reconstitué : libérer si le protocole l'autorise",
        _GO_OR_DROP,
    ),
    "D13": Code("a date that cannot be handled", "une date impossible à traiter", ("exclude",)),
    "D14": Code(
        "the worker failed on an instance (memory, time, crash): release to try again",
        "le traitement d'une image a échoué (mémoire, durée) : libérer pour réessayer",
        _GO_OR_DROP,
    ),
    # homeward
    "Q01": Code(
        "cannot be read as DICOM, or beyond a limit", "illisible comme DICOM, ou hors limite"
    ),
    "Q02": Code(
        "SOP class or transfer syntax that is not accepted",
        "classe SOP ou syntaxe de transfert non acceptée",
    ),
    "Q03": Code(
        "the study is unknown, or was sent to another partner or project",
        "examen inconnu, ou envoyé à un autre partenaire ou projet",
    ),
    "Q04": Code("the pseudonym is not the study's", "le pseudonyme n'est pas celui de l'examen"),
    "Q05": Code("refers to something that was never sent", "renvoie à un objet jamais envoyé"),
    "Q06": Code("several patients in one delivery", "plusieurs patients dans une livraison"),
    "Q07": Code("a known UID with other bytes", "UID connu avec un autre contenu"),
    "Q08": Code("carries a clinical identity", "porte une identité clinique"),
    "Q09": Code(
        "a picture or document that a person must look at",
        "image ou document à regarder par une personne",
        _GO_OR_REFUSE,
    ),
    "Q10": Code(
        "geometry differs from what was sent", "géométrie différente de ce qui a été envoyé"
    ),
    "Q11": Code(
        "the study is not in the PACS: release to look again",
        "examen absent du PACS : libérer pour chercher à nouveau",
        _GO_OR_REFUSE,
    ),
    "Q12": Code(
        "the patient changed in the PACS (merged, renamed ID, two matches): mend it there and release to look again, or refuse",
        "le patient a changé dans le PACS (fusion, ID, doublon) : y corriger et libérer pour chercher à nouveau, ou refuser",
        _GO_OR_REFUSE,
    ),
    "Q13": Code("subject withdrawn or project closed", "participant retiré ou projet clos"),
    "Q14": Code(
        "digest, signature or manifest does not match",
        "empreinte, signature ou manifeste incohérent",
    ),
    "Q15": Code("originals sent back, not results", "originaux renvoyés, pas des résultats"),
    "Q16": Code("too large or too deep", "trop gros ou trop profond"),
    "Q17": Code("a pseudonym is left after rewriting", "un pseudonyme reste après réécriture"),
    "Q18": Code("a date that cannot be told", "date ambiguë", _GO_OR_REFUSE),
    "corrected": Code(
        "made from images that were corrected since: compare, then release or refuse",
        "fait à partir d'images corrigées depuis : comparer, puis libérer ou refuser",
        _GO_OR_REFUSE,
    ),
    "pacs-warning": Code(
        "the PACS stored the result with a warning: look at it there, then release or refuse",
        "le PACS a rangé le résultat avec un avertissement : vérifier sur place, puis libérer ou refuser",
        _GO_OR_REFUSE,
    ),
    "pacs-refused": Code(
        "the PACS refused the result: release to try again, or refuse",
        "le PACS a refusé le résultat : libérer pour réessayer, ou refuser",
        _GO_OR_REFUSE,
    ),
    "proof": Code(
        "the PACS cannot prove that it keeps the result: look there, then release",
        "le PACS ne peut pas prouver qu'il garde le résultat : vérifier sur place, puis libérer",
        _GO_OR_REFUSE,
    ),
    # both ways
    "no-project": Code(
        "no project claims this study: assign it to one",
        "aucun projet ne prend cet examen : l'attribuer à un projet",
        ("assign", "exclude"),
        "vault",
    ),
    "unknown-subject": Code(
        "this patient is not enrolled: release to enrol, or exclude",
        "patient non inclus : libérer pour l'inclure, ou écarter",
        _GO_OR_DROP,
        "vault",
    ),
    "patient-changed": Code(
        "the same study came under another Patient ID: release only if it is the same person",
        "même examen sous un autre Patient ID : libérer seulement si c'est la même personne",
        _GO_OR_DROP,
    ),
    "correction": Code(
        "instances that were sent before came again with other content: release to send them as a correction",
        "des images déjà envoyées sont revenues modifiées : libérer pour les envoyer en correction",
        _GO_OR_DROP,
    ),
    "growing": Code(
        "the study still grows after a day: release to take it as it is",
        "l'examen grossit encore après un jour : libérer pour le prendre tel quel",
        _GO_OR_DROP,
    ),
    "review": Code(
        "waits for a person's release, as the profile asks",
        "attend la libération d'une personne, comme le profil le demande",
        ("release", "exclude", "refuse"),
    ),
    "clock": Code(
        "the time is not trusted: check the time servers",
        "heure non fiable : vérifier les serveurs de temps",
        (),
        "clock",
    ),
    "crashed": Code(
        "the box failed on it several times: release to try again",
        "échecs répétés de l'appareil : libérer pour réessayer",
        ("release", "exclude", "refuse"),
    ),
    "absent": Code(
        "a neighbour has been away for two weeks, or left the profile",
        "un voisin est absent depuis deux semaines, ou n'est plus dans le profil",
        ("release", "exclude", "refuse"),
        "neighbour",
    ),
    "partner-refused": Code(
        "the partner refused an instance: release to try again, or exclude",
        "le partenaire a refusé une image : libérer pour réessayer, ou écarter",
        _GO_OR_DROP,
    ),
    "dossier/C07": Code(
        "the dossier has expired: renew it in the profile",
        "le dossier réglementaire a expiré : le renouveler dans le profil",
        ("exclude",),
        "profile",
    ),
}
