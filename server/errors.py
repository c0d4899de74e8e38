"""What the node refuses, and with which words.

    ServerError                 carries `error` (a stable word), `reason` (for people) and the HTTP `status`
    ├── Refused                 what was handed in cannot be taken as it is; the word says why (table below)
    ├── NotSignedIn         401 unauthorized     nobody is known to be speaking, or the token does not hold
    ├── NotAllowed          403 forbidden        somebody is, and may not do this
    ├── Missing             404 not_found        there is no such thing here, or the speaker may not know of it
    ├── Clash               409 conflict         somebody did it first, or the thing is in another state
    ├── TooMany             429 too_many         more attempts than the limit; `retry_after_s` says when
    └── NotReady            503 not_ready        the node cannot do it now (disk full, key locked, still starting)

Over HTTP each is `{"error", "reason"}` with its status, the shape CouchDB uses. Words are stable: programs match them,
people read `reason`, which says what came, what was expected and what to do.
"""

from __future__ import annotations

from typing import Final

# The words of `Refused` and their HTTP status. A word that is not here counts as 400.
REFUSALS: Final[dict[str, int]] = {
    "malformed": 400,  # not JSON, not an object, floats, nesting
    "schema": 400,  # a member is missing, unknown or of the wrong form
    "bad_id": 400,  # `_id` or `_rev` is not what the content gives
    "bad_hash": 400,  # bytes do not hash to the name they came under
    "not_nfc": 400,  # text is not in Unicode NFC
    "bad_text": 400,  # control, bidirectional or zero-width characters
    "bad_time": 400,  # not RFC 3339 in UTC seconds, or too far from the node's clock
    "bad_activation": 403,  # the activation code is wrong, used, or over
    "bad_file": 400,  # a file or manifest is not of a kind that is taken
    "wrong_database": 400,  # the unit of the event does not own this database
    "unsupported_algorithm": 400,  # `alg` is not on the allow-list
    "bad_certificate": 400,  # the certificate cannot be read
    "bad_crl": 400,  # the revocation list cannot be read, or its issuer did not sign it
    "bad_signature": 403,  # the signature does not belong to these bytes and this key
    "untrusted_chain": 403,  # the certificate does not lead to an anchor
    "revoked": 403,  # the certificate had been revoked
    "actor_mismatch": 403,  # the event names another actor than the certificate
    "not_immutable": 403,  # an attempt to edit or delete a document that never changes
    "not_entitled": 403,  # a person's word about an erasure that counts nowhere: the signer has no right to it
    "settled": 409,  # what the step is about has been ended or carried out already
    "unknown_certificate": 409,  # the signer's certificate has not arrived yet; send it, then the event
    "chunks_missing": 409,  # a manifest came before its chunks
    "too_large": 413,  # refused by size before it was read
    "bad_content_type": 415,
}


class ServerError(Exception):
    """Anything this package raises on purpose: a stable `error` word, a `reason` for people, an HTTP `status`."""

    status = 500
    error = "internal_server_error"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(ServerError):
    """The thing handed in cannot be taken. `code` is the stable word, `member` the place inside it if one is to blame.

    `member` is a path such as "body.applicant.name" or "files[2].size"; empty where the whole is meant.
    """

    status = 400
    error = "malformed"

    def __init__(self, code: str, reason: str, *, member: str = "") -> None:
        super().__init__(reason)
        self.code = self.error = code
        self.status = REFUSALS.get(code, 400)
        self.member = member

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class NotSignedIn(ServerError):
    status = 401
    error = "unauthorized"


class NotAllowed(ServerError):
    status = 403
    error = "forbidden"


class Missing(ServerError):
    status = 404
    error = "not_found"


class Clash(ServerError):
    status = 409
    error = "conflict"


class TooMany(ServerError):
    """Too many attempts; the speaker may try again after `retry_after_s` seconds."""

    status = 429
    error = "too_many"

    def __init__(self, reason: str, *, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class NotReady(ServerError):
    status = 503
    error = "not_ready"
