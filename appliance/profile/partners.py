"""The research side: where parcels go, and where results are asked for."""

from typing import Annotated, Literal

from appliance.profile.section import Section, choice, label, within
from appliance.profile.values import Line, Name, SecretName, Url


class NoAuth(Section):
    """The partner asks for no password."""

    kind: Annotated[
        Literal["none"], label("Sign-in", "Authentification", "No user name and no token.")
    ] = "none"


class Basic(Section):
    """User name and password (RFC 7617)."""

    kind: Annotated[
        Literal["basic"], label("Sign-in", "Authentification", "User name and password.")
    ]
    user: Annotated[
        Line, label("User name", "Nom d'utilisateur", "The user name that the partner gave us.")
    ]
    secret: Annotated[
        SecretName,
        label("Password", "Mot de passe", "The name of the secret which holds the password."),
    ]


class Bearer(Section):
    """A token in the header `Authorization: Bearer` (RFC 6750)."""

    kind: Annotated[Literal["bearer"], label("Sign-in", "Authentification", "A token.")]
    secret: Annotated[
        SecretName, label("Token", "Jeton", "The name of the secret which holds the token.")
    ]


class StowRs(Section):
    """DICOMweb: STOW-RS to send, and the same address for QIDO-RS and WADO-RS."""

    kind: Annotated[
        Literal["stow-rs"], label("Transport", "Transport", "DICOMweb: one instance per request.")
    ]
    url: Annotated[
        Url,
        label(
            "Address",
            "Adresse",
            "The DICOMweb root, without /studies, such as https://pacs.partner.example/dicom-web.",
        ),
    ]
    auth: Annotated[
        NoAuth | Basic | Bearer,
        choice("Sign-in", "Authentification", "How this box shows who it is."),
    ] = NoAuth()


class NoResults(Section):
    """The partner returns nothing."""

    kind: Annotated[
        Literal["none"], label("Results", "Résultats", "Nothing comes back from this partner.")
    ] = "none"


class Qido(Section):
    """The partner's list of studies is read at an interval; what is new is a result."""

    kind: Annotated[
        Literal["qido"], label("Results", "Résultats", "We look for new series by QIDO-RS.")
    ]
    every_min: Annotated[
        float,
        within(0.01, 1440),
        label("Interval", "Intervalle", "How often the partner is asked.", "min"),
    ] = 15.0
    stable_min: Annotated[
        float,
        within(0, 1440),
        label(
            "Quiet time",
            "Temps de repos",
            "How long a series must not grow before it is fetched.",
            "min",
        ),
    ] = 10.0


class Partner(Section):
    """A research partner: takes parcels, may offer results."""

    name: Annotated[
        Name, label("Name", "Nom", "How this profile and the console call the partner.")
    ]
    send: Annotated[
        StowRs, label("Sending", "Envoi", "How pseudonymised studies reach the partner.")
    ]
    results: Annotated[
        Qido | NoResults,
        choice("Results", "Résultats", "How results of the partner are found."),
    ] = NoResults()
