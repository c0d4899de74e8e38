"""The desk: what officials see in a browser. Jinja and htmx over the read model; signing happens in the browser.

- `view`, `lists`, `translate`: from values to what templates show, without request or store;
- `pages`: routes;
- `templates/desk`, `static`, `i18n`: markup on the stylesheet shared with the PWA, small modules, both languages.
"""

from __future__ import annotations

from flask import Flask

from server.desk.pages import desk_blueprint
from server.node.assembly import Node

__all__ = ["register_desk"]


def register_desk(app: Flask, node: Node) -> None:
    """Add the desk's pages under `/desk`. `app.extensions["tram"]` tells who is speaking."""
    app.register_blueprint(desk_blueprint(node, app.extensions["tram"]))
