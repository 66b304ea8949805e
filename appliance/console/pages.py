"""What each address of the console does: signing in, the morning page, one decision, health."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import (
    Flask,
    Response,
    flash,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)

from appliance.console import rows
from appliance.console.words import LANGUAGES, Words
from appliance.health import Finding, Level, lasted
from appliance.profile import Profile, digest
from appliance.store.decisions import (
    LONGEST_PASSWORD,
    LONGEST_PERSON,
    LONGEST_REASON,
    Decision,
    Decisions,
    hold_of,
)
from appliance.store.entry import Entry, State
from appliance.store.ledger_view import LedgerView

# Addresses that answer without a visit.
OPEN = ("static", "sign_in", "health", "language")


@dataclass(frozen=True)
class Parts:
    """What the pages stand on; `now` is wall time with its zone."""

    view: LedgerView
    decisions: Decisions
    profile: Profile
    findings: Callable[[], Sequence[Finding]]
    now: Callable[[], datetime]


@dataclass(frozen=True)
class Wish:
    """What a form asks of an entry; `code` and `hold` are those that the person saw."""

    verb: str
    project: str
    code: str
    hold: str
    reason: str


class Pages:
    """The addresses over one set of parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._zone = ZoneInfo(parts.profile.device.timezone)
        self._digest = digest(parts.profile)[:12]
        self._projects = tuple(
            project.code for project in parts.profile.projects if project.source == "clinic"
        )

    def join(self, app: Flask) -> None:
        """Give the addresses to the application."""
        app.before_request(self._enter)
        app.context_processor(self._context)
        app.add_url_rule("/", "page", self.page)
        app.add_url_rule("/sign-in", "sign_in", self.sign_in, methods=["GET", "POST"])
        app.add_url_rule("/sign-out", "sign_out", self.sign_out, methods=["POST"])
        app.add_url_rule("/language/<any(en, fr):chosen>", "language", self.language)
        app.add_url_rule("/entries/<int:number>/decision", "decide", self.decide, methods=["POST"])
        app.add_url_rule("/health", "health", self.health)

    def page(self) -> str:
        """The morning page."""
        view, words = self._parts.view, self._words()
        held_entries = view.entries(rows.HELD)
        noted = {
            entry.id: self._noted(decision)
            for entry in held_entries
            if (decision := self._parts.decisions.decided(entry.id, hold_of(entry))) is not None
        }
        return render_template(
            "page.html",
            findings=self._parts.findings(),
            held=rows.held(held_entries, words, self._projects),
            holds={entry.id: hold_of(entry) for entry in held_entries},
            ages={entry.id: self._since(entry) for entry in held_entries},
            noted=noted,
            way=rows.on_its_way(view.entries(rows.ON_ITS_WAY), words, view.device_s()),
            refused=rows.quarantined(view.entries(rows.QUARANTINED), words),
            done=rows.done(view.entries(rows.DONE), words, self._parts.now()),
            most=rows.MOST_ROWS,
            longest_reason=LONGEST_REASON,
        )

    def decide(self, number: int) -> Response:
        """Note one decision, or say why not; then the page again."""
        verb, _, project = request.form.get("decision", "").partition(" ")
        wish = Wish(
            verb,
            project,
            request.form.get("code", ""),
            request.form.get("hold", ""),
            " ".join(request.form.get("reason", "").split())[:LONGEST_REASON],
        )
        flash(self._note(number, wish))
        return _seen(url_for("page"))

    def sign_in(self) -> Response:
        """Ask for name and password; a new visit has a new token and a new session."""
        if request.method == "GET":
            return make_response(self._sign_page(""))
        person = " ".join(request.form.get("person", "").split())[:LONGEST_PERSON]
        if not person:
            return make_response(self._sign_page(self._words().say("sign.unnamed")), 400)
        now = self._parts.now()
        answer = self._parts.decisions.check_password(
            request.form.get("password", ""), request.remote_addr or "", now
        )
        if answer.wait_s > 0:
            return self._sign_later(answer.wait_s)
        if not answer.right:
            return make_response(self._sign_page(self._words().say("sign.wrong")), 403)
        language = self._words().language
        session.clear()
        session["language"] = language
        session["visit"] = self._parts.decisions.sign_in(person, now)
        return _seen(url_for("page"))

    def sign_out(self) -> Response:
        """End the visit here and in the memory of the box."""
        self._parts.decisions.sign_out(session["visit"], self._parts.now())
        language = self._words().language
        session.clear()
        session["language"] = language
        return _seen(url_for("sign_in"))

    def language(self, chosen: str) -> Response:
        """Remember the language of this browser."""
        session["language"] = chosen
        return _seen(url_for("page"))

    def health(self) -> Response:
        """Codes of findings for a monitor: nothing that names anything."""
        findings = self._parts.findings()
        worst = [level.value for level in Level if any(f.level is level for f in findings)]
        codes = sorted({finding.code for finding in findings})
        return jsonify(status=worst[0] if worst else "well", findings=codes)

    def _enter(self) -> Response | None:
        g.person = self._parts.decisions.signed_in(session.get("visit", ""), self._parts.now())
        if g.person is not None or request.endpoint is None or request.endpoint in OPEN:
            return None
        if request.method == "POST":
            flash(self._words().say("sign.ended"))
        return _seen(url_for("sign_in"))

    def _context(self) -> dict[str, object]:
        words = self._words()
        now = self._parts.now()
        return {
            "say": words.say,
            "language": words.language,
            "languages": LANGUAGES,
            "site": self._parts.profile.site.name,
            "person": g.get("person"),
            "when": words.clock(now),
            "digest": self._digest,
        }

    def _words(self) -> Words:
        chosen = session.get("language")
        language = chosen if chosen in LANGUAGES else self._parts.profile.site.language
        return Words(language, self._zone)

    def _sign_page(self, sentence: str) -> str:
        return render_template(
            "sign_in.html",
            sentence=sentence,
            longest_person=LONGEST_PERSON,
            longest_password=LONGEST_PASSWORD,
        )

    def _sign_later(self, wait_s: float) -> Response:
        words = self._words()
        sentence = words.say("sign.wait", lasted=lasted(wait_s, words.language))
        response = make_response(self._sign_page(sentence), 429)
        response.headers["Retry-After"] = str(int(wait_s) + 1)
        return response

    def _note(self, number: int, wish: Wish) -> str:
        say = self._words().say
        entry = self._parts.view.entry(number)
        earlier = self._parts.decisions.decided(number, wish.hold)
        if earlier is not None:
            return self._before(number, earlier)
        objection = _objection(entry, wish, self._projects)
        if entry is None or objection:
            return say(objection, number=number)
        decision = Decision(
            wish.verb,
            number,
            g.person,
            wish.reason,
            (wish.project,) if wish.verb == "assign" else (),
            hold_of(entry),
            self._parts.now().isoformat(),
        )
        if self._parts.decisions.note(decision) is None:
            faster = self._parts.decisions.decided(number, decision.hold) or decision
            return self._before(number, faster)
        return say(f"noted.{wish.verb}", number=number, project=wish.project)

    def _before(self, number: int, decision: Decision) -> str:
        return self._words().say("not.before", number=number, **self._told(decision))

    def _since(self, entry: Entry) -> str:
        words = self._words()
        gone = self._parts.now() - datetime.fromisoformat(entry.wall_since)
        age = lasted(max(0.0, gone.total_seconds()), words.language)
        return words.say("entry.lasted", when=words.moment(entry.wall_since), lasted=age)

    def _noted(self, decision: Decision) -> str:
        return self._words().say("held.noted", **self._told(decision))

    def _told(self, decision: Decision) -> dict[str, str]:
        words = self._words()
        project = " ".join(decision.projects)
        return {
            "person": decision.person,
            "when": words.moment(decision.wall) if decision.wall else "—",
            "verb": words.say(f"verb.{decision.verb}", project=project),
        }


def _objection(entry: Entry | None, wish: Wish, projects: Sequence[str]) -> str:
    """The key of the sentence that says why this wish is not noted; empty when it is."""
    if entry is None or entry.state is not State.HELD:
        return "not.held"
    if (entry.code, hold_of(entry)) != (wish.code, wish.hold):
        return "not.same"
    if wish.verb not in rows.offers(entry) or (
        wish.verb == "assign" and wish.project not in projects
    ):
        return "not.offered"
    return ""


def _seen(address: str) -> Response:
    # 303: the browser asks for the page anew, and a reload repeats nothing.
    return make_response(redirect(address, code=303))
