"""The box itself, the site where it stands and the people who answer for it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from appliance.profile.section import Section, label
from appliance.profile.values import (
    Certificate,
    Host,
    HostName,
    Interface,
    IpAddress,
    Line,
    SiteCode,
    SshKey,
    TimeZone,
    Url,
)


class Site(Section):
    """The hospital that runs the box."""

    name: Annotated[Line, label("Name", "Nom", "The hospital or department, as people call it.")]
    code: Annotated[
        SiteCode, label("Code", "Code", "2 to 6 capitals; every pseudonym starts with them.")
    ]
    language: Annotated[
        Literal["fr", "en"], label("Language", "Langue", "The language of pages and mails.")
    ] = "fr"


class People(Section):
    """Sections `team`, `contacts` and `dpo` of every dossier, written once."""

    team: Annotated[
        tuple[Mapping[str, object], ...],
        label("Team", "Équipe", "Who works with the box: name, role, access."),
    ] = ()
    contacts: Annotated[
        tuple[Mapping[str, object], ...],
        label("Contacts", "Contacts", "Who is told and who can be asked, by kind."),
    ] = ()
    dpo: Annotated[
        Mapping[str, object],
        label("Data protection officer", "Délégué à la protection des données", "And the opinion."),
    ] = Field(default_factory=dict)


class DeviceNetwork(Section):
    """How the box joins the hospital's network."""

    method: Annotated[
        Literal["dhcp", "static"],
        label("Address", "Adressage", "dhcp: the network gives the address. static: written here."),
    ] = "dhcp"
    address: Annotated[
        Interface | None,
        label("Own address", "Adresse", "Address and prefix of the box, such as 10.0.0.9/24."),
    ] = None
    gateway: Annotated[
        IpAddress | None, label("Gateway", "Passerelle", "The address of the router.")
    ] = None
    dns: Annotated[
        tuple[IpAddress, ...],
        label("Name servers", "Serveurs DNS", "Addresses of the hospital's DNS servers."),
    ] = ()


class Ssh(Section):
    """Who may sign in for maintenance."""

    authorized_keys: Annotated[
        tuple[SshKey, ...],
        label("Public keys", "Clés publiques", "SSH public keys; without any SSH stays off."),
    ] = ()


class Time(Section):
    """Where the time comes from."""

    servers: Annotated[
        tuple[Host, ...],
        label(
            "Time servers",
            "Serveurs de temps",
            "NTP servers of the hospital; empty where another system keeps the clock.",
        ),
    ] = ()


class Device(Section):
    """The box and its settings."""

    hostname: Annotated[
        HostName, label("Host name", "Nom d'hôte", "The name of the box on the network.")
    ] = "research-pacs"
    board: Annotated[
        Literal["pi3", "pi4", "pi5", "generic"],
        label("Board", "Carte", "The Raspberry Pi, or generic for a virtual machine."),
    ] = "pi4"
    timezone: Annotated[TimeZone, label("Time zone", "Fuseau horaire", "Such as Europe/Paris.")] = (
        "Europe/Paris"
    )
    network: Annotated[
        DeviceNetwork, label("Network", "Réseau", "How the box joins the hospital's network.")
    ] = DeviceNetwork()
    ssh: Annotated[Ssh, label("SSH", "SSH", "Who may sign in for maintenance.")] = Ssh()
    time: Annotated[Time, label("Time", "Heure", "Where the time comes from.")] = Time()
    data: Annotated[
        Literal["sd", "usb"],
        label("Data on", "Données sur", "usb: an SSD, recommended. sd: the card itself."),
    ] = "usb"
    custody: Annotated[
        Literal["device", "passphrase"],
        label(
            "Key of the disk",
            "Clé du disque",
            "device: the box starts alone. passphrase: a person unlocks it at each start.",
        ),
    ] = "device"
    proxy: Annotated[
        Url | None,
        label("Proxy", "Proxy", "The hospital's web proxy, such as http://proxy.example:3128."),
    ] = None
    ca: Annotated[
        tuple[Certificate, ...],
        label("Authorities", "Autorités", "PEM certificates that are trusted beside the usual."),
    ] = ()
