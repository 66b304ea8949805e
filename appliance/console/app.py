"""The console as a web application: its cookie, its headers and its errors."""

from collections.abc import Callable, Sequence
from datetime import datetime

from flask import Flask, Response, render_template, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException

from appliance.console.pages import Pages, Parts
from appliance.console.server import listen, serve
from appliance.health import Finding
from appliance.profile import Profile
from appliance.store.decisions import Decisions
from appliance.store.ledger_view import LedgerView

# What service needs of the console: the application and the door that it is served through.
__all__ = ["HEADERS", "create_app", "listen", "serve"]

# A name, a password, a reason: nothing that a person sends here is longer.
LONGEST_BODY = 16 << 10

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Referrer-Policy stays same-origin: the CSRF check over TLS looks at where a form came from.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_WRONG = {400: "wrong.asked", 404: "wrong.missing", 405: "wrong.asked", 413: "wrong.large"}


class _Cookie(SecureCookieSessionInterface):
    """Secure, with its `__Host-` name, wherever the page came over TLS."""

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 - Flask's signature
        return "__Host-console" if request.is_secure else "console"

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        return request.is_secure


def create_app(
    view: LedgerView,
    decisions: Decisions,
    profile: Profile,
    findings: Callable[[], Sequence[Finding]],
    now: Callable[[], datetime],
) -> Flask:
    """The application over these parts; `now` is wall time with its zone."""
    app = Flask("appliance.console")
    app.config.update(
        SECRET_KEY=decisions.session_secret(),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=LONGEST_BODY,
        MAX_FORM_PARTS=20,
        # The token ends with the visit, which has its own limits.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.session_interface = _Cookie()
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    CSRFProtect(app)
    pages = Pages(Parts(view, decisions, profile, findings, now))
    pages.join(app)
    app.after_request(_guarded)

    def wrong(error: HTTPException) -> tuple[str, int]:
        code = error.code or 500
        key = "wrong.old" if isinstance(error, CSRFError) else _WRONG.get(code, "wrong.box")
        return render_template("wrong.html", sentence=key, code=code), code

    app.register_error_handler(HTTPException, wrong)
    return app


def _guarded(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
