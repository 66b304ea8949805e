"""A signed message to a program, after Standard Webhooks 1.0 with a CloudEvents body."""

import base64
import hmac

import requests
import urllib3

from appliance import egress
from appliance.errors import Refusal, Unavailable
from appliance.notify.message import Message, event
from appliance.profile import Device, Webhook

# The specification asks for 24 to 64 bytes.
LEAST_KEY_BYTES = 24


def post(webhook: Webhook, secret: str, message: Message, device: Device, unix_s: int) -> None:
    """The endpoint has the message when this returns (it may get it again: same `webhook-id`).

    Raises:
        Unavailable: it answers otherwise than 2xx, redirects included, or not at all.
        Refusal: absent, it says that it is gone for good (410); stop calling it.
    """
    body = event(message)
    headers = {
        "Content-Type": "application/cloudevents+json",
        "webhook-id": message.id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": signature(secret, message.id, unix_s, body),
    }
    try:
        with (
            egress.session(webhook.url, device) as session,
            session.post(
                webhook.url,
                data=body,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=egress.SILENCE_S,
            ) as answer,
        ):
            status = answer.status_code
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Unavailable(f"webhook {webhook.name}: {egress.failure(error)}") from error
    if status == 410:
        raise Refusal("absent", f"webhook {webhook.name} is gone (410): remove it from the profile")
    if not 200 <= status < 300:
        raise Unavailable(f"webhook {webhook.name} answered {status}")


def signature(secret: str, message_id: str, unix_s: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 over id, time and body; one for each key.

    While a secret rotates, `secret` holds the new and the old one with a space between them.
    """
    signed = f"{message_id}.{unix_s}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(_key(one), signed, "sha256")).decode()
        for one in secret.split()
    )


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or len(key) < LEAST_KEY_BYTES:
        raise Unavailable(
            "the signing key of a webhook is `whsec_` and the base64 of 24 bytes or more: "
            "correct it in the secrets"
        )
    return key
