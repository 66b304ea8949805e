"""The regulatory record of a project, as far as the box acts on it."""

from appliance.dossier.rules import problems
from appliance.dossier.sections import Dossier, DossierSection, Feedback, Retention, expired, read

__all__ = [
    "Dossier",
    "DossierSection",
    "Feedback",
    "Retention",
    "expired",
    "problems",
    "read",
]
