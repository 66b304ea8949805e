"""The profile: the only place where a setting exists."""

from typing import Annotated, Literal

from pydantic import Field

from appliance.profile.clinic import Clinic, Peer
from appliance.profile.device import Device, People, Site
from appliance.profile.notifications import Notifications
from appliance.profile.partners import Partner
from appliance.profile.projects import Project
from appliance.profile.section import Section, label

SCHEMA = "research-pacs/profile/1"


class Profile(Section):
    """All settings of one box. Secrets are never in it: it names them."""

    schema_name: Annotated[
        Literal["research-pacs/profile/1"],
        Field(alias="schema"),
        label("Schema", "Schéma", f"Always {SCHEMA}; tells which program reads the file."),
    ]
    site: Annotated[Site, label("Site", "Site", "The hospital that runs the box.")]
    people: Annotated[
        People, label("People", "Personnes", "Who works with the box and answers for it.")
    ] = People()
    device: Annotated[Device, label("Box", "Appareil", "The box and its settings.")] = Device()
    clinic: Annotated[Clinic, label("Clinic", "Clinique", "The hospital side of the box.")]
    partners: Annotated[
        tuple[Partner, ...], label("Partners", "Partenaires", "The research side of the box.")
    ] = ()
    projects: Annotated[
        tuple[Project, ...],
        label("Projects", "Projets", "The research projects which the box serves."),
    ]
    notifications: Annotated[
        Notifications, label("Notifications", "Notifications", "Who is told, and how.")
    ] = Notifications()

    def project(self, code: str) -> Project | None:
        """The project of a code; None when it left the profile."""
        return next((project for project in self.projects if project.code == code), None)

    def partner(self, name: str) -> Partner | None:
        """The partner of a name; None when it left the profile."""
        return next((partner for partner in self.partners if partner.name == name), None)

    def peer(self, name: str) -> Peer | None:
        """The peer of a name; None when it left the profile."""
        return next((peer for peer in self.clinic.peers if peer.name == name), None)

    def called_aes(self) -> frozenset[str]:
        """Every AE title under which this box may be called."""
        routes = (project.route.called_ae for project in self.projects)
        return frozenset(title for title in (*routes, self.clinic.listen.ae_title) if title)
