"""What the cases of the way out share: a partner that stops, and a door at which things happen."""

from collections.abc import Callable
from typing import Any

from flask import Response

from appliance.exam.partner import SyntheticPartner
from appliance.store.entry import Kind
from tests.box import Box

INTAKE, PARCEL = Kind.INTAKE, Kind.PARCEL


class Meddling:
    """A door through which something happens before a call goes on, or after it."""

    def __init__(self, door: object, name: str, before: Callable[[], None]) -> None:
        self._door, self._name, self._before = door, name, before

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            self._before()
        return getattr(self._door, name)


class Picky(SyntheticPartner):
    """A partner that takes so many instances, and no more."""

    most = 1_000

    def _store(self) -> Response:
        return Response(status=413) if len(self.stored) >= self.most else super()._store()


def states(box: Box, kind: Kind = PARCEL) -> list[tuple[str, int, str]]:
    return [(entry.project, entry.n, entry.state.value) for entry in box.entries(kind)]


def kinds(box: Box) -> list[str]:
    return [event.kind for event in box.ledger.view.events_since(0, 1000)]
