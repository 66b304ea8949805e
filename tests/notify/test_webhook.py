"""A webhook's message is signed so that a stranger's library accepts it, and never goes astray."""

import base64
import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import standardwebhooks
from test_message import HELD

from appliance.errors import Refusal, Unavailable
from appliance.notify.webhook import post, signature
from appliance.profile import Device, Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


class _Sink(BaseHTTPRequestHandler):
    status = 204
    seen: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((dict(self.headers), body))
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        """Tests read `seen` instead."""


@contextmanager
def sink(status: int = 204) -> Iterator[tuple[Webhook, list[tuple[dict[str, str], bytes]]]]:
    seen: list[tuple[dict[str, str], bytes]] = []
    kind = type("Sink", (_Sink,), {"status": status, "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        try:
            yield Webhook(name="team", url=url, secret="team-hook"), seen
        finally:
            server.shutdown()
            thread.join()


def test_an_independent_library_accepts_the_signature() -> None:
    with sink() as (webhook, seen):
        post(webhook, f"{SECRET} {OLD}", HELD, Device(), int(time.time()))
    headers, body = seen[0]
    assert headers["Content-Type"] == "application/cloudevents+json"
    for key in (SECRET, OLD):
        assert standardwebhooks.Webhook(key).verify(body, headers) == json.loads(body)
    forged = dataclasses.replace(HELD, count=4)
    with pytest.raises(standardwebhooks.webhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(
            body, headers | {"webhook-signature": signature(OLD, forged.id, 1, body)}
        )


def test_a_repeat_has_the_same_id_and_the_same_body() -> None:
    with sink() as (webhook, seen):
        post(webhook, SECRET, HELD, Device(), 1)
        post(webhook, SECRET, HELD, Device(), 2)
    assert seen[0][1] == seen[1][1]
    assert seen[0][0]["webhook-id"] == seen[1][0]["webhook-id"] == HELD.id


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 503])
def test_whatever_is_not_success_is_tried_later_and_never_followed(status: int) -> None:
    with sink(status) as (webhook, seen), pytest.raises(Unavailable, match=str(status)):
        post(webhook, SECRET, HELD, Device(), 1)
    assert len(seen) == 1


def test_an_endpoint_that_is_gone_is_not_called_again() -> None:
    with sink(410) as (webhook, _), pytest.raises(Refusal):
        post(webhook, SECRET, HELD, Device(), 1)


def test_nobody_there_is_unavailable() -> None:
    with sink() as (webhook, _):
        pass
    with pytest.raises(Unavailable):
        post(webhook, SECRET, HELD, Device(), 1)


@pytest.mark.parametrize("key", ["key", "whsec_", "whsec_c2hvcnQ=", "whsec_ü", SECRET[6:]])
def test_a_weak_or_broken_key_signs_nothing(key: str) -> None:
    with pytest.raises(Unavailable, match="signing key"):
        signature(key, "n-1", 1, b"")
