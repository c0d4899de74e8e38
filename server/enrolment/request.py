"""An enrolment request: signed with the key it asks a certificate for, which proves that its sender holds the key.

{"typ": "tram-enrolment+jwt", "alg": "ES256", "jwk": {…}}
{"name", "kind", "nonce", "iat", "activation"?, "phone"?, "id_number"?}
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crypto import jws, keys, strictjson, text
from crypto.errors import CryptoError
from server.errors import Refused

REQUEST_TYPE = "tram-enrolment+jwt"
KINDS = ("citizen", "official", "helper")
MAX_REQUEST_CHARS = 8 * 1024
CLOCK_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed enrolment request; its signature proved that the sender holds the key."""

    public_key: keys.PublicKey
    thumbprint: str
    name: str
    kind: str
    activation: str
    private: dict[str, str]


def parse_request(token: str, now: datetime | None) -> Request:
    """Return the request in a compact JWS. Raises `Refused` naming what is wrong with it.

    `now` None is for the counter, where its owner stands and shows it: a phone that never had a network may have any
    time, and the six digits that two people compare say more than its clock.
    """
    if len(token) > MAX_REQUEST_CHARS:
        raise Refused("too_large", f"an enrolment request takes some 600 characters, this one {len(token)}")
    try:
        _, payload, key = jws.verify_self_signed_compact(token, typ=REQUEST_TYPE)
        fields = strictjson.parse(payload, max_bytes=MAX_REQUEST_CHARS, max_depth=1)
    except CryptoError as exc:
        raise Refused("malformed", f"not an enrolment request: {exc}") from exc
    if not isinstance(fields, dict):
        raise Refused("schema", "an enrolment request is an object")
    if now is not None:
        _check_time(fields.get("iat"), now)
    kind = fields.get("kind")
    if kind not in KINDS:
        raise Refused("schema", f"kind is one of {', '.join(KINDS)}", member="kind")
    return Request(
        public_key=key,
        thumbprint=keys.thumbprint(key),
        name=_line(fields, "name", 200, required=True),
        kind=kind,
        activation=_line(fields, "activation", 64),
        private={name: value for name in ("phone", "id_number") if (value := _line(fields, name, 32))},
    )


def _check_time(iat: Any, now: datetime) -> None:
    if type(iat) is not int or not 0 <= iat < 1 << 40:
        raise Refused("schema", '"iat" is a whole number of seconds since 1970', member="iat")
    if abs(iat - now.timestamp()) > CLOCK_SKEW.total_seconds():
        raise Refused(
            "bad_time", f"the request's clock is {iat - int(now.timestamp()):+d} s from ours; use /api/node's time"
        )


def _line(fields: dict[str, Any], name: str, limit: int, *, required: bool = False) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > limit or (required and not value.strip()):
        raise Refused("schema", f'"{name}" is a line of at most {limit} characters', member=name)
    try:
        return text.check_text(value, name=True)
    except CryptoError as exc:
        raise Refused("bad_text" if text.is_nfc(value) else "not_nfc", str(exc), member=name) from exc
