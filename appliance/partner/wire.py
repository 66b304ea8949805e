"""One HTTP request to the partner and its answer, with a limit on everything."""

import base64
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import requests
import urllib3

from appliance import egress
from appliance.errors import Unavailable
from appliance.partner.multipart import Chunk
from appliance.profile import Basic, Bearer, Device, NoAuth, StowRs

CHUNK = 65_536
# A trickle of bytes must not keep the walk busy for ever: below this rate the answer is given up.
# The slowest line we serve (256 kbit/s) is thirty times faster.
SLOWEST_BYTES_PER_S = 1_000.0


@dataclass(frozen=True)
class Answer:
    """The head of an answer and its body, piece by piece, valid until the request ends."""

    status: int
    content_type: str
    retry_after: str
    chunks: Iterator[bytes]

    def whole(self, most: int) -> bytes:
        """The body in memory.

        Raises:
            Unavailable: it is longer than `most` bytes.
        """
        body = bytearray()
        for chunk in self.chunks:
            body += chunk
            if len(body) > most:
                raise Unavailable("the partner's answer is longer than the limit")
        return bytes(body)


class Wire:
    """A partner's DICOMweb root: requests go below it and nowhere else."""

    def __init__(
        self, send: StowRs, secrets: Mapping[str, str], device: Device, patience_s: float
    ) -> None:
        self._patience_s = patience_s
        self._root = send.url.rstrip("/")
        self._session = egress.session(send.url, device)
        self._auth = send.auth
        self._secrets = secrets

    def close(self) -> None:
        """End the connections that are kept open for the next request."""
        self._session.close()

    @contextmanager
    def get(self, path: str, accept: str) -> Iterator[Answer]:
        """The answer to a question.

        Raises:
            Unavailable: no answer, or it broke off.
        """
        with self._ask(requests.Request("GET", self._root + path, {"Accept": accept})) as answer:
            yield answer

    @contextmanager
    def post(
        self, path: str, headers: Mapping[str, str], body: Iterable[Chunk]
    ) -> Iterator[Answer]:
        """The answer to a body that is sent as it comes.

        Raises:
            Unavailable: no answer, or it broke off; the body may have arrived all the same.
        """
        request = requests.Request("POST", self._root + path, dict(headers), data=body)
        with self._ask(request) as answer:
            yield answer

    @contextmanager
    def _ask(self, request: requests.Request) -> Iterator[Answer]:
        request.headers.update(_credentials(self._auth, self._secrets))
        try:
            prepared = self._session.prepare_request(request)
            # A list that the caller has not read to its end must not wait in a kept connection.
            with self._session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                timeout=egress.SILENCE_S,
                proxies=self._session.proxies,
            ) as response:
                yield Answer(
                    response.status_code,
                    response.headers.get("Content-Type", ""),
                    response.headers.get("Retry-After", ""),
                    _plain(response, self._patience_s),
                )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Unavailable(f"partner: {egress.failure(error)}") from error


def _plain(response: requests.Response, patience_s: float) -> Iterator[bytes]:
    # We ask for no compression, so that a small answer cannot unfold into a large one.
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unavailable("the partner compressed its answer though it was asked not to")
    raw: urllib3.HTTPResponse = response.raw
    started, received = time.monotonic(), 0
    while chunk := raw.read1(CHUNK, decode_content=False):
        received += len(chunk)
        yield chunk
        elapsed = time.monotonic() - started
        if elapsed > patience_s and received < elapsed * SLOWEST_BYTES_PER_S:
            raise Unavailable("the partner answers too slowly")


def _credentials(auth: NoAuth | Basic | Bearer, secrets: Mapping[str, str]) -> dict[str, str]:
    match auth:
        case NoAuth():
            return {}
        case Basic():
            pair = f"{auth.user}:{_secret(auth.secret, secrets)}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
        case Bearer():
            token = _secret(auth.secret, secrets)
            if not (token.isascii() and token.isprintable()):
                raise Unavailable(
                    f"the secret {auth.secret} is no token: one line of plain letters"
                )
            return {"Authorization": f"Bearer {token}"}


def _secret(name: str, secrets: Mapping[str, str]) -> str:
    if name not in secrets:
        raise Unavailable(f"the secret {name} is not on this device: add it and restart")
    return secrets[name]
