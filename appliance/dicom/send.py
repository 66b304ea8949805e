"""Sending instances to a peer: C-STORE of files as they stand, never transcoded, never decoded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import _config, build_context
from pynetdicom.association import Association

from appliance.dicom.asking import association, lost
from appliance.dicom.storage import MOST_CONTEXTS
from appliance.errors import Unavailable
from appliance.profile import Peer

# SOP class not supported (PS3.7 C.5.6): our word for a presentation context that was refused.
CONTEXT_REFUSED = 0x0122
MOST_MESSAGE = 65_535


@dataclass(frozen=True)
class Instance:
    """A Part 10 file to send: what it is, in which transfer syntax, and where it stands."""

    sop_class: str
    sop_instance: str
    syntax: str
    path: Path


class Broken(Unavailable):
    """The peer went away in the middle; `statuses` is what it had answered until then."""

    def __init__(self, reason: str, statuses: Mapping[str, int]) -> None:
        super().__init__(reason)
        self.statuses = statuses


def store(peer: Peer, calling_ae: str, files: Iterable[Instance]) -> Mapping[str, int]:
    """Send every file; the peer's status for each SOP instance UID, exactly as it answered.

    An instance whose presentation context the peer refuses has 0x0122. Raises Unavailable (Broken)
    if the peer is away, rejects, aborts or does not answer: then any of them may have arrived.
    """
    # Files go out byte for byte; without this pynetdicom decodes and encodes them anew.
    _config.STORE_SEND_CHUNKED_DATASET = True
    statuses: dict[str, int] = {}
    try:
        _store(peer, calling_ae, files, statuses)
    except Unavailable as lost_peer:
        raise Broken(lost_peer.reason, statuses) from lost_peer
    return statuses


def _store(
    peer: Peer, calling_ae: str, files: Iterable[Instance], statuses: dict[str, int]
) -> None:
    for some in _per_association(list(files)):
        pairs = list(dict.fromkeys((one.sop_class, one.syntax) for one in some))
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
        with association(peer, calling_ae, contexts) as opened:
            accepted = {
                (str(context.abstract_syntax), str(context.transfer_syntax[0]))
                for context in opened.accepted_contexts
            }
            for number, one in enumerate(some):
                statuses[one.sop_instance] = (
                    _sent(opened, peer, one, 1 + number % MOST_MESSAGE)
                    if (one.sop_class, one.syntax) in accepted
                    else CONTEXT_REFUSED
                )


def _per_association(files: Sequence[Instance]) -> Iterator[list[Instance]]:
    """The files in their order, so many at a time that their contexts fit one association."""
    some: list[Instance] = []
    pairs: set[tuple[str, str]] = set()
    for one in files:
        pair = (one.sop_class, one.syntax)
        if pair not in pairs and len(pairs) == MOST_CONTEXTS:
            yield some
            some, pairs = [], set()
        some.append(one)
        pairs.add(pair)
    if some:
        yield some


def _sent(opened: Association, peer: Peer, one: Instance, message: int) -> int:
    if not opened.is_established:
        raise lost(peer)
    try:
        answer = opened.send_c_store(one.path, msg_id=message)
    except RuntimeError:
        # The peer ended the association after our last look at it.
        raise lost(peer) from None
    status = answer.get("Status")
    if status is None:
        raise lost(peer)
    return int(status)
