"""Sends what the ledger wrote for people: mail and webhooks, at least once, without patient data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import Refusal, Unavailable
from appliance.notify import mail, webhook
from appliance.notify.message import Message
from appliance.profile import Profile
from appliance.store.outbox import Letter, Outbox
from appliance.timing import Now, next_try

MAIL = "mail"
HOOK = "webhook "
# A burst is worked off tick by tick, so that it never holds up the walk.
LETTERS = 20


def channels(profile: Profile) -> tuple[str, ...]:
    """Who is told: the readers of the mail, and every webhook."""
    hooks = tuple(HOOK + hook.name for hook in profile.notifications.webhooks)
    return (MAIL, *hooks) if profile.notifications.email is not None else hooks


@dataclass(frozen=True)
class Messages:
    """The sender; a letter keeps its id over all attempts, so that a repeat can be told."""

    profile: Profile
    secrets: Mapping[str, str]
    outbox: Outbox

    def send_due(self, now: Now, draw: Callable[[], float]) -> None:
        """Try every letter whose wait is over; one channel's failure never stops another's."""
        for letter in self.outbox.due(now, LETTERS):
            try:
                self._send(letter, now)
            except Unavailable as unavailable:
                wait_s = unavailable.wait_s
                at_s = (
                    next_try(letter.waits, draw(), now.device_s)
                    if wait_s is None
                    else now.device_s + wait_s
                )
                self.outbox.later(letter, at_s, now)
            except Refusal:
                self.outbox.refused(letter)
            else:
                self.outbox.sent(letter)

    def _send(self, letter: Letter, now: Now) -> None:
        message = self._message(letter)
        told, device = self.profile.notifications, self.profile.device
        if letter.channel == MAIL and told.email is not None:
            mail.send(told.email, self.secrets.get(told.email.secret or ""), message, device)
            return
        for hook in told.webhooks:
            if letter.channel == HOOK + hook.name:
                unix_s = int(now.wall.timestamp())
                webhook.post(hook, self.secrets[hook.secret], message, device, unix_s)
                return
        raise Refusal("absent", "this channel is no longer in the profile")

    def _message(self, letter: Letter) -> Message:
        # The same bytes at every attempt: nothing here depends on the moment of sending.
        written = datetime.fromisoformat(letter.wall) if letter.wall else None
        site = self.profile.site.code
        return Message(
            id=f"{site}-{letter.number}-" + (f"{written:%Y%m%d%H%M%S}" if written else "0"),
            kind=letter.kind,
            site=site,
            project=letter.project,
            count=letter.count,
            code=letter.code,
            link="",
            wall=written,
        )
