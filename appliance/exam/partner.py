"""The synthetic partner: takes parcels, makes results, offers them, and fails when told to.

A DICOMweb server on loopback (PS3.18) with an inbox for webhooks. It keeps every byte that it is
sent, so that an exam can look for what should not have left the clinic.
"""

import base64
import hmac
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from random import Random, SystemRandom
from socket import SHUT_RDWR
from threading import RLock, Thread
from types import TracebackType
from typing import Self

from flask import Flask, Response, request
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.errors import InvalidDicomError
from werkzeug.serving import WSGIRequestHandler, make_server

from appliance.exam.results import ResultKind, Spoiler, made_result, spoiled
from appliance.exam.shelf import Query, Shelf
from appliance.notify.webhook import signature

POLL_S = 0.02
# PS3.7 C.5.8: what a server says when it does not know better.
_PROCESSING_FAILURE = 0x0110
_JSON = "application/dicom+json"


class Fault(StrEnum):
    """One way in which a partner fails; each is suffered once and then over."""

    # Any request: a status and nothing else.
    STATUS = "status"
    # A store: 200, and the failure stands in the body.
    FAILED_IN_200 = "failed-in-200"
    # A store: done, and the connection ends without an answer.
    DROP_RESPONSE = "drop-response"


@dataclass(frozen=True)
class Suffered:
    """A fault that waits for its request."""

    fault: Fault
    status: int = 500
    retry_after: str = ""


class SyntheticPartner:
    """A research partner on loopback; `with` ends it.

    `stored` counts what was accepted by SOP instance UID, `asked` are the requests in order,
    `witness` is all that came, `messages` are the webhooks whose signature was right.
    """

    def __init__(self, port: int = 0, draw: Random | None = None) -> None:
        self.stored: Counter[str] = Counter()
        self.asked: list[str] = []
        self.witness: list[bytes] = []
        self.messages: list[dict[str, object]] = []
        self.forged = 0
        self._draw = draw or SystemRandom()
        self.hook_secret = "whsec_" + base64.b64encode(self._draw.randbytes(32)).decode()
        self._faults: deque[Suffered] = deque()
        self._lock = RLock()
        self._shelf = Shelf()
        self._received: set[str] = set()
        self._port = port
        self.up()
        self.url = f"http://127.0.0.1:{self._port}/dicom-web"
        self.hook_url = f"http://127.0.0.1:{self._port}/hook"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(self) -> None:
        """It listens (again), always at the same port."""
        self._server = make_server(
            "127.0.0.1", self._port, self._app(), threaded=True, request_handler=_Silent
        )
        self._port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)
        self._thread.start()

    def down(self) -> None:
        """Nobody listens any more; what it has stays."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def suffer(
        self, fault: Fault, times: int = 1, status: int = 500, retry_after: str = ""
    ) -> None:
        """The next requests fail in this way."""
        with self._lock:
            self._faults.extend([Suffered(fault, status, retry_after)] * times)

    def studies(self) -> tuple[str, ...]:
        """The studies of which something was sent to it, in the order of their arrival."""
        found = [str(one.StudyInstanceUID) for one in self._shelf.where({})]
        return tuple(dict.fromkeys(uid for uid in found if self.received(uid)))

    def received(self, study: str) -> tuple[Dataset, ...]:
        """What was sent to it of a study; its own results are not among it."""
        mine = self._shelf.where({"StudyInstanceUID": study})
        return tuple(one for one in mine if str(one.SOPInstanceUID) in self._received)

    def make_result(
        self, study: str, kind: ResultKind = ResultKind.SEG, spoiler: Spoiler | None = None
    ) -> Dataset:
        """A result about a study that it received, offered from now on; spoiled if asked to."""
        received = self.received(study)
        # The partner is another machine with a clock of its own.
        now = datetime.fromtimestamp(time.time(), UTC)
        result = made_result(kind, received, self._draw, now)
        if spoiler is not None:
            result = spoiled(spoiler, result, received, self._draw)
        self.offer(result, study)
        return result

    def offer(self, result: Dataset, study: str) -> None:
        """The instance stands in the lists of a study; an earlier one of its UID is gone."""
        self._shelf.replace(result, study)

    def _app(self) -> Flask:
        app = Flask(__name__)
        app.before_request(self._meet)
        root = "/dicom-web/studies"
        series = f"{root}/<study>/series"
        instances = f"{series}/<one>/instances"
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("POST", root, self._store),
            ("GET", root, lambda: self._list("StudyInstanceUID", {})),
            ("GET", series, lambda study: self._list("SeriesInstanceUID", _named(study))),
            ("GET", f"{root}/<study>/instances", lambda study: self._list("SOPInstanceUID", _named(study))),
            ("GET", instances, lambda study, one: self._list("SOPInstanceUID", _named(study, one))),
            ("GET", f"{instances}/<sop>", lambda study, one, sop: self._give(_named(study, one, sop))),
            ("POST", "/hook", self._hear),
        ]  # fmt: skip
        for number, (method, path, act) in enumerate(routes):
            app.add_url_rule(path, str(number), act, methods=[method])
        return app

    def _meet(self) -> Response | None:
        line = f"{request.method} {request.full_path}"
        with self._lock:
            self.asked.append(line)
            self.witness.append(f"{line}\n{request.headers}".encode() + request.get_data())
            if request.path.startswith("/dicom-web") and (told := self._fault(Fault.STATUS)):
                headers = {"Retry-After": told.retry_after} if told.retry_after else {}
                return Response(status=told.status, headers=headers)
        return None

    def _fault(self, fault: Fault) -> Suffered | None:
        with self._lock:
            if self._faults and self._faults[0].fault is fault:
                return self._faults.popleft()
        return None

    def _store(self) -> Response:
        parts = _parts(request.get_data(), request.mimetype_params.get("boundary", ""))
        if request.mimetype != "multipart/related" or not parts:
            return Response(status=415)
        if self._fault(Fault.FAILED_IN_200):
            return _told(
                200, [], [_outcome(dataset, _PROCESSING_FAILURE) for dataset in _readable(parts)]
            )
        with self._lock:
            try:
                kept = [self._shelf.put(part) for part in parts]
            except InvalidDicomError:
                return _told(409, [], [])
            self.stored.update(str(dataset.SOPInstanceUID) for dataset in kept)
            self._received.update(str(dataset.SOPInstanceUID) for dataset in kept)
        if self._fault(Fault.DROP_RESPONSE):
            request.environ["werkzeug.socket"].shutdown(SHUT_RDWR)
        return _told(200, [_outcome(dataset) for dataset in kept], [])

    def _list(self, level: str, query: Query) -> Response:
        asked = request.args
        keys = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID")
        query = {**query, **{key: asked[key] for key in keys if key in asked}}
        named = [field for value in asked.getlist("includefield") for field in value.split(",")]
        more = [keyword_for_tag(int(field, 16)) if _is_tag(field) else field for field in named]
        rows = self._shelf.rows(level, query, more)
        first = int(asked.get("offset", "0"))
        page = rows[first : first + int(asked.get("limit", "1000"))]
        if not page:
            return Response(status=204)
        return Response(json.dumps(page), content_type=_JSON)

    def _give(self, query: Query) -> Response:
        file = self._shelf.file(query)
        if file is None:
            return Response(status=404)
        mark = self._draw.randbytes(16).hex()
        body = f"--{mark}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file
        kind = f'multipart/related; type="application/dicom"; boundary={mark}'
        return Response(body + f"\r\n--{mark}--\r\n".encode(), content_type=kind)

    def _hear(self) -> Response:
        body, headers = request.get_data(), request.headers
        sent = headers.get("webhook-timestamp", "0")
        mine = signature(self.hook_secret, headers.get("webhook-id", ""), int(sent), body)
        theirs = headers.get("webhook-signature", "").split()
        if not any(hmac.compare_digest(mine, one) for one in theirs):
            self.forged += 1
            return Response(status=401)
        self.messages.append(json.loads(body))
        return Response(status=204)


class _Silent(WSGIRequestHandler):
    """werkzeug's server without its log: `asked` tells."""

    def log(self, *_: object) -> None:
        """Say nothing."""


def _named(*uids: str) -> Query:
    return dict(
        zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), uids, strict=False)
    )


def _is_tag(field: str) -> bool:
    return len(field) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in field)


def _parts(body: bytes, mark: str) -> list[bytes]:
    """The parts between the lines of a multipart body (RFC 2046 5.1.1), without their headers."""
    between = (b"\r\n" + body).split(f"\r\n--{mark}".encode())[1:-1]
    return [part.partition(b"\r\n\r\n")[2] for part in between]


def _readable(parts: list[bytes]) -> list[Dataset]:
    return [Shelf().put(part) for part in parts]


def _outcome(dataset: Dataset, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = dataset.SOPClassUID
    item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    if reason is not None:
        item.FailureReason = reason
    return item


def _told(status: int, accepted: list[Dataset], failed: list[Dataset]) -> Response:
    answer = Dataset()
    if accepted:
        answer.ReferencedSOPSequence = accepted
    if failed:
        answer.FailedSOPSequence = failed
    return Response(json.dumps(answer.to_json_dict()), status=status, content_type=_JSON)
