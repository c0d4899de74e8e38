"""`/api/session`: an official begins and ends a session of the desk."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from server.api.bodies import member, read_json
from server.api.sessions import COOKIE, LIFE, Sessions
from server.api.speaker import Speakers
from server.errors import NotAllowed
from server.node.assembly import Node


def session_blueprint(node: Node, speakers: Speakers, sessions: Sessions) -> Blueprint:
    """Return `POST` and `DELETE /session`."""
    blueprint = Blueprint("session", __name__)

    @blueprint.post("/session")
    def begin() -> Response:
        who = node.tokens.verify(member(read_json(), "token", str))
        roles = speakers.roles(who)
        if not roles:
            raise NotAllowed("this key has no role at this unit; the desk is for its officials")
        session = sessions.begin(who)
        response = jsonify(
            subject=who.urn,
            name=node.model.queries.name_of(who.urn),
            roles=list(roles),
            expires=session.expires.isoformat(),
        )
        response.set_cookie(
            COOKIE, session.id, max_age=LIFE, httponly=True, samesite="Lax", secure=request.is_secure, path="/"
        )
        return response

    @blueprint.delete("/session")
    def end() -> Response:
        sessions.end(request.cookies.get(COOKIE, ""))
        response = jsonify(ok=True)
        response.delete_cookie(COOKIE, path="/")
        return response

    return blueprint
