"""The site put together: pages, look, headers, and what is said when something goes wrong."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g, render_template, request, url_for
from jinja2 import ChoiceLoader, PackageLoader, PrefixLoader
from werkzeug.exceptions import HTTPException

from receiver.errors import ReceiverError, StoreError

from . import gate, look
from .access import Role
from .desk import Desk
from .pages import correct, find, held, overview, people, push, replays, resource, search, story, trail

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_MENU = (
    ("overview.show", "Overview", Role.VIEWER),
    ("find.show", "Find", Role.VIEWER),
    ("held.show", "Held", Role.VIEWER),
    ("replays.show", "Replays", Role.VIEWER),
    ("trail.show", "Trail", Role.ADMINISTRATOR),
    ("people.show", "People", Role.ADMINISTRATOR),
)
_WORDS = {
    400: ("That cannot be read", "The request was not one that this page takes. Go back and try again."),
    403: ("You may not see this", "Your role does not allow it. Ask an administrator if you need it."),
    404: ("Page not found", "If you typed the address, check that it is right. What was kept long enough is gone."),
    405: ("That cannot be done here", "The address takes no such request."),
    413: ("Too large", "What was sent is larger than this page takes."),
    429: ("Too many attempts", "Wait a while, then try again."),
}
_log = structlog.get_logger()


def create_site(desk: Desk) -> Flask:
    """The site as an application to be mounted at ``/admin``."""
    app = Flask("receiver.admin", static_folder="static", template_folder=None)
    loaders = (
        PackageLoader("receiver.admin"),
        PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
    )
    app.jinja_loader = ChoiceLoader(loaders)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    look.install(app, desk)
    gate.install(app, desk.gate)
    for page in (overview, find, push, correct, story, resource, search, held, replays, trail, people):
        app.register_blueprint(page.blueprint(desk))
    app.context_processor(_about_person)
    app.jinja_env.globals["session_seconds"] = int(desk.gate.idle.total_seconds())
    app.after_request(_with_policy)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(StoreError, _store_error)
    return app


def _about_person() -> dict[str, object]:
    person = g.get("person")
    if person is None:
        return {"person": None, "menu": []}
    menu = [
        {"text": text, "href": url_for(endpoint), "here": request.blueprint == endpoint.partition(".")[0]}
        for endpoint, text, role in _MENU
        if person.role >= role
    ]
    return {"person": person, "menu": menu}


def _with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    if request.endpoint == "static":
        response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _http_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    code = error.code or 500
    if code < 400:
        return error
    heading, text = _WORDS.get(code, ("Sorry, there is a problem", "Try again later."))
    said = error.description if error.description != type(error).description else None
    return render_template("problem.html", heading=heading, text=said or text), code


def _store_error(error: ReceiverError) -> tuple[str, int]:
    _log.warning("page_not_shown", reason=error.reason, path=request.url_rule.rule if request.url_rule else None)
    text = "The database does not answer now. Pushes are taken in all the same where a spool is set. Try again soon."
    g.person = None
    return render_template("problem.html", heading="Sorry, there is a problem", text=text), 503
