"""Who hears an exam: a person line by line, a program as one object; and who stays to look around."""

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import FrameType

import click

from appliance.exam.run import Audience, Result, passed
from appliance.exam.stage import Page

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Lines:
    """A person reads: where to look, a line for each step as it is done, the verdict."""

    def opened(self, page: Page) -> None:
        """Each on its own line, to be copied."""
        click.echo(f"morning page  {page.address}\nits password  {page.password}")

    def saw(self, result: Result) -> None:
        """One line."""
        click.echo(line(result))

    def ended(self, results: Sequence[Result]) -> None:
        """The last word."""
        click.echo(verdict(results))


@dataclass
class OneObject:
    """A program reads one JSON object at the end; a person at the terminal sees the steps."""

    _page: Page = field(default_factory=lambda: Page("", ""))

    def opened(self, page: Page) -> None:
        """Part of the object."""
        self._page = page

    def saw(self, result: Result) -> None:
        """Progress goes to stderr, and only to a terminal."""
        if sys.stderr.isatty():
            click.echo(line(result), err=True)

    def ended(self, results: Sequence[Result]) -> None:
        """The object."""
        failed = [result.number for result in results if not result.passed]
        told = {
            "passed": passed(results),
            "failed_at": failed[0] if failed else None,
            "page": asdict(self._page),
            "steps": [asdict(result) for result in results],
        }
        click.echo(json.dumps(told))


@dataclass
class Staying:
    """Everything stays up after the verdict, until Ctrl-C."""

    audience: Audience
    _page: Page = field(default_factory=lambda: Page("", ""))

    def opened(self, page: Page) -> None:
        """Remember where to look."""
        self._page = page
        self.audience.opened(page)

    def saw(self, result: Result) -> None:
        """Pass it on."""
        self.audience.saw(result)

    def ended(self, results: Sequence[Result]) -> None:
        """Say where to look, and wait."""
        self.audience.ended(results)
        if not self._page.address:
            return
        words = f"{self._page.address} with the password {self._page.password}"
        click.echo(f"everything stays up until Ctrl-C: look at {words}", err=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            click.echo("ending", err=True)


def line(result: Result) -> str:
    """One step as a person reads it."""
    word = "PASS" if result.passed else "FAIL"
    return f"{result.number:2} {word} {result.seconds:6.2f} s  {result.name}: {result.detail}"


def verdict(results: Sequence[Result]) -> str:
    """PASS, or the step that failed."""
    if passed(results):
        return "PASS"
    return f"FAIL at step {results[-1].number}: {results[-1].name}"


@contextmanager
def ending_in_order() -> Iterator[None]:
    """The first Ctrl-C, SIGTERM or hang-up ends the exam; a second does not disturb the ending."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Who was started with a signal ignored (nohup) keeps ignoring it.
    found = {number: signal.getsignal(number) for number in ENDINGS}
    before = {number: was for number, was in found.items() if was is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
