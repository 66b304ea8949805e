"""The hospital side: where we listen, and which DICOM nodes we know."""

from typing import Annotated, Literal

from appliance.profile.section import Section, label, within
from appliance.profile.values import AeTitle, BindAddress, Name, PeerHost


class Listen(Section):
    """Our own DICOM node."""

    ae_title: Annotated[
        AeTitle,
        label("Our AE title", "Notre AE title", "The name under which the clinic knows this box."),
    ]
    port: Annotated[
        int,
        within(1, 65535),
        label("Port", "Port", "The port on which this box receives DICOM; 11112 is usual."),
    ] = 11112
    host: Annotated[
        BindAddress,
        label(
            "Address",
            "Adresse",
            "The address of this box on which it listens; 0.0.0.0 means all of them.",
        ),
    ] = "0.0.0.0"  # noqa: S104 the box is a server; peers are let in one by one


class Peer(Section):
    """A DICOM node of the clinic: it may send to us, or we may ask it, or both."""

    name: Annotated[Name, label("Name", "Nom", "How this profile and the console call the node.")]
    kind: Annotated[
        Literal["pacs", "modality"],
        label("Kind", "Type", "A PACS sends whole studies; a modality sends while it acquires."),
    ]
    ae_title: Annotated[
        AeTitle, label("Its AE title", "Son AE title", "The AE title that the node calls itself.")
    ]
    host: Annotated[
        PeerHost,
        label("Address or network", "Adresse ou réseau", "One IP address, or a network (CIDR)."),
    ]
    port: Annotated[
        int | None,
        within(1, 65535),
        label("Port", "Port", "Where the node listens; needed when we ask it or store into it."),
    ] = None
    may: Annotated[
        tuple[Literal["store", "query", "move", "results"], ...],
        label(
            "Rights",
            "Droits",
            "store: it may send to us. query, move: we may ask it. results: it takes results.",
        ),
    ] = ("store",)
    proof: Annotated[
        Literal["find-image", "find-series", "person"],
        label(
            "Proof of storage",
            "Preuve de rangement",
            "How the node shows that it keeps a result: by query of images or series, or a person looks.",
        ),
    ] = "find-image"


class Clinic(Section):
    """Everything on the hospital's side of the box."""

    listen: Annotated[
        Listen, label("This box", "Cet appareil", "How the clinic reaches this box by DICOM.")
    ]
    peers: Annotated[
        tuple[Peer, ...],
        label("Peers", "Nœuds DICOM", "The DICOM nodes of the clinic; all others are refused."),
    ] = ()
