"""node.json: what `tram init` and later commands were told of a node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crypto import strictjson
from crypto.errors import CryptoError
from server.errors import Refused

_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a node's databases are. For "couchdb" `url` is the server with credentials, `prefix` what the names of
    this node's databases begin with there, so that several nodes may share one CouchDB."""

    kind: Literal["sqlite", "couchdb"] = "sqlite"
    url: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `tram init` was told. `parent` is the address it named; later links are in `server.links.neighbours`."""

    unit: str
    name: str
    engine: Engine
    parent: str | None
    created: str  # RFC 3339, UTC
    difficult_area: bool = False  # "vùng khó khăn": some procedures take longer there by law
    domain: str = ""  # the one official host that receipts' QR codes open; "" takes the host a page was asked from
    tsa: str = ""  # the time-stamp authority a serving node asks by itself; "" for none
    old_engine: Engine | None = None  # where the databases were before `tram migrate`, kept until it forgets them


def parse_settings(path: Path, data: bytes) -> Settings:
    """Return the settings in the node.json of the home in `path`. Raises `Refused("bad_home")` and what to do."""
    try:
        value = strictjson.parse(data, max_bytes=_MAX_BYTES)
        engine = value["engine"]
        if value["v"] != 1 or engine["kind"] not in ("sqlite", "couchdb"):
            raise Refused("bad_home", f"{path} was made by another version of Trạm; update the program")
        return Settings(
            unit=value["unit"],
            name=value["name"],
            engine=_parse_engine(engine),
            parent=value["parent"],
            created=value["created"],
            difficult_area=value.get("difficult_area", False),
            domain=value.get("domain", ""),
            tsa=value.get("tsa", ""),
            old_engine=_parse_engine(value["old_engine"]) if "old_engine" in value else None,
        )
    except (CryptoError, KeyError, TypeError) as exc:
        raise Refused("bad_home", f"{path / 'node.json'} is damaged ({exc}); restore it from a backup") from exc


def settings_to_json(settings: Settings) -> bytes:
    """Return the bytes of node.json."""
    value = {
        "v": 1,
        "unit": settings.unit,
        "name": settings.name,
        "engine": _engine_to_value(settings.engine),
        "parent": settings.parent,
        "created": settings.created,
        "difficult_area": settings.difficult_area,
        "domain": settings.domain,
    }
    if settings.old_engine is not None:
        value["old_engine"] = _engine_to_value(settings.old_engine)
    if settings.tsa:
        value["tsa"] = settings.tsa
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def _engine_to_value(engine: Engine) -> dict[str, str]:
    if engine.url is None:
        return {"kind": engine.kind}
    return {"kind": engine.kind, "url": engine.url, "prefix": engine.prefix}


def _parse_engine(value: Mapping[str, Any]) -> Engine:
    return Engine(value["kind"], value.get("url"), value.get("prefix", ""))
