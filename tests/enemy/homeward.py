"""Neighbours that answer strangely, and the steps that tests of the way home share."""

import json
from io import BytesIO

from flask import Response
from pydicom import Dataset, dcmread
from pynetdicom import evt

from appliance.exam.clinic import SyntheticClinic
from appliance.exam.partner import SyntheticPartner
from appliance.store.entry import Entry, Kind, State
from tests.box import Box
from tests.studies import ct_study

DELIVERY, PARCEL = Kind.DELIVERY, Kind.PARCEL


class Answering(SyntheticClinic):
    """A PACS that keeps everything and answers C-STORE with these words first."""

    def __init__(self, *words: int | str) -> None:
        super().__init__(ae_title="DEMO_PACS")
        self.words = list(words)

    def _keep(self, event: evt.Event) -> int:
        word = self.words.pop(0) if self.words else 0
        if word == "abort":
            event.assoc.abort()
            return 0
        if int(word) & 0xF000 in (0, 0xB000):
            super()._keep(event)
        return int(word)


class Picky(SyntheticPartner):
    """A partner that takes so many instances of a study, and no more."""

    most = 1_000

    def _store(self) -> Response:
        return Response(status=413) if len(self.stored) >= self.most else super()._store()


class Lying(SyntheticPartner):
    """A partner whose list says something else than its files."""

    def __init__(self) -> None:
        self.said: dict[str, object] = {}
        self.swapped: dict[str, str] = {}
        super().__init__()

    def _list(self, level: str, query: dict[str, str]) -> Response:
        answer = super()._list(level, query)
        if level != "SOPInstanceUID" or answer.status_code != 200:
            return answer
        rows = answer.get_json(force=True)
        for row in rows:
            if row["00080018"]["Value"][0] not in self.stored:
                row |= self.said
        return Response(json.dumps(rows), content_type="application/dicom+json")

    def _give(self, query: dict[str, str]) -> Response:
        sop = query["SOPInstanceUID"]
        other = self.swapped.get(sop, sop)
        found = self._shelf.where({"SOPInstanceUID": other})[0]
        series = str(found.SeriesInstanceUID)
        return super()._give(query | {"SOPInstanceUID": other, "SeriesInstanceUID": series})


def sent(box: Box, clinic: SyntheticClinic, *study: Dataset) -> Entry:
    """The parcel of a study that the partner has."""
    datasets = list(study) or ct_study(instances=2)
    clinic.pacs.has(datasets)
    box.receive(datasets)
    box.run()
    parcel = box.entries(PARCEL)[-1]
    assert parcel.state is State.CONFIRMED, (parcel.code, parcel.reason)
    return parcel


def last(box: Box) -> Entry:
    """The newest delivery, after a while."""
    box.run()
    return box.entries(DELIVERY)[-1]


def released(box: Box) -> Entry:
    """The newest delivery after a person released its hold."""
    box.decide("release", box.entries(DELIVERY)[-1])
    return last(box)


def at_home(clinic: SyntheticClinic) -> list[Dataset]:
    """What came into the PACS over the network, in order."""
    return [dcmread(BytesIO(file)) for files in clinic.pacs.stored.values() for file in files]
