"""The HTTP face of a node: `/api` for phones and desks, `/db` for replicators, `/` the PWA's files.

Every refusal is `{"error", "reason"}` with a status (`errors`); every answer carries the security headers
(`headers`). Who is speaking is told by a bearer token or the desk's cookie (`speaker`).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Flask

from replication.http import protocol_blueprint
from server.api.authorities import authorities_blueprint
from server.api.bundles import bundles_blueprint
from server.api.crls import crls_blueprint
from server.api.dossiers import dossiers_blueprint
from server.api.enrolments import enrolments_blueprint
from server.api.erasures import erasures_blueprint
from server.api.errors import register_errors
from server.api.events import events_blueprint
from server.api.files import files_blueprint
from server.api.headers import register_headers
from server.api.identity import identity_blueprint
from server.api.logs import logs_blueprint
from server.api.me import me_blueprint
from server.api.metrics import register_metrics
from server.api.people import people_blueprint
from server.api.receipts import receipts_blueprint
from server.api.roles import roles_blueprint
from server.api.session import session_blueprint
from server.api.sessions import Sessions
from server.api.speaker import Speakers
from server.api.static import static_blueprint
from server.node.assembly import Node

PWA_FOLDER = Path(__file__).resolve().parent.parent.parent / "pwa"


def create_app(node: Node, *, pwa: Path = PWA_FOLDER) -> Flask:
    """Return the application of `node`. `app.extensions["tram"]` holds the node's `Speakers` for pages built on it."""
    app = Flask("server", static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # DefaultJSONProvider has it
    register_errors(app)
    register_headers(app)
    sessions = Sessions(node.db, node.clock)
    speakers = Speakers(node, sessions)
    app.extensions["tram"] = speakers
    api = Blueprint("api", __name__, url_prefix="/api")
    for blueprint in (
        identity_blueprint(node),
        crls_blueprint(node),
        logs_blueprint(node, speakers),
        receipts_blueprint(node, speakers),
        authorities_blueprint(node),
        enrolments_blueprint(node, speakers),
        files_blueprint(node, speakers),
        dossiers_blueprint(node, speakers),
        events_blueprint(node, speakers),
        roles_blueprint(node, speakers),
        people_blueprint(node, speakers),
        erasures_blueprint(node, speakers),
        bundles_blueprint(node, speakers),
        session_blueprint(node, speakers, sessions),
        me_blueprint(node, speakers),
    ):
        api.register_blueprint(blueprint)
    app.register_blueprint(api)
    app.register_blueprint(protocol_blueprint(node.access), url_prefix="/db")
    register_metrics(app, node, speakers)
    _register_desk(app, node)
    app.register_blueprint(static_blueprint(pwa))
    return app


def _register_desk(app: Flask, node: Node) -> None:
    """Add the desk's pages if they are installed: `server.desk.register_desk(app, node)`."""
    spec = find_spec("server.desk")
    if spec is None or spec.origin is None:
        return
    import_module("server.desk").register_desk(app, node)
