"""A person at the morning page, as the browser speaks for him: sign in, look, press one button."""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import requests

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_FORM = r'<form method="post" action="/entries/{number}/decision">(.*?)</form>'
_HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')


@dataclass
class Morning:
    """A browser at the page; `seen` is every page that it was given."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)
    seen: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.session.trust_env = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.session.close()

    def get(self, path: str = "") -> str:
        """A page."""
        return self._kept(self.session.get(self.address + path, timeout=10))

    def look(self, path: str) -> None:
        """Any address, whatever it answers."""
        answer = self.session.get(self.address + path, timeout=10)
        self.seen.append(f"{answer.headers}\n{answer.text}")

    def sign_in(self, password: str, person: str = "Desk") -> str:
        """With the printed password; gives the page behind it."""
        token = _TOKEN.search(self.get("sign-in"))
        assert token
        form = {"csrf_token": token[1], "person": person, "password": password}
        return self._kept(self.session.post(f"{self.address}sign-in", data=form, timeout=10))

    def press(self, number: int, verb: str, reason: str = "") -> str:
        """The button of an entry that waits; gives the page after it."""
        form = re.search(_FORM.format(number=number), self.get(), re.DOTALL)
        assert form, f"no button for entry {number}"
        assert f'name="decision" value="{verb}"' in form[1]
        words = dict(_HIDDEN.findall(form[1])) | {"decision": verb, "reason": reason}
        url = f"{self.address}entries/{number}/decision"
        return self._kept(self.session.post(url, data=words, timeout=10))

    def _kept(self, answer: requests.Response) -> str:
        assert answer.status_code == 200, answer.text
        self.seen.append(f"{answer.headers}\n{answer.text}")
        return answer.text
