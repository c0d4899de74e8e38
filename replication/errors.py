"""What can go wrong between a caller, a store and a peer.

    ReplicationError
    ├── StoreError                      carries CouchDB's triple: status, error, reason
    │   ├── BadRequest              400 bad_request
    │   │   ├── IllegalDocId        400 illegal_docid
    │   │   ├── IllegalDatabaseName 400 illegal_database_name
    │   │   └── DocValidation       400 doc_validation
    │   ├── Unauthorized            401 unauthorized
    │   ├── Forbidden               403 forbidden
    │   ├── NotFound                404 not_found
    │   ├── MethodNotAllowed        405 method_not_allowed
    │   ├── NotAcceptable           406 not_acceptable
    │   ├── Conflict                409 conflict
    │   ├── DatabaseExists          412 file_exists
    │   ├── MissingStub             412 missing_stub
    │   ├── TooLarge                413 too_large
    │   ├── BadContentType          415 bad_content_type
    │   ├── RangeNotSatisfiable     416 requested_range_not_satisfiable
    │   ├── NotImplementedHere      501 not_implemented
    │   ├── Unavailable             503 service_unavailable
    │   └── StorageFull             507 insufficient_storage
    └── LinkError                       the peer did not answer, or not as a peer does
        ├── LinkCut                     the connection ended inside an exchange; try again
        └── NotAPeer                    an answer came, but not from a CouchDB peer (captive portal, proxy page)

Over HTTP each `StoreError` is `{"error", "reason"}` with its status; `error` words are CouchDB's and stable.
"""

from __future__ import annotations


class ReplicationError(Exception):
    """Anything this package raises on purpose."""


class StoreError(ReplicationError):
    """A refusal with CouchDB's words: HTTP `status`, stable `error` word, `reason` for people."""

    status = 500
    error = "internal_server_error"

    def __init__(self, reason: str, *, error: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        if error is not None:
            self.error = error


class BadRequest(StoreError):
    status = 400
    error = "bad_request"


class IllegalDocId(BadRequest):
    error = "illegal_docid"


class IllegalDatabaseName(BadRequest):
    error = "illegal_database_name"


class DocValidation(BadRequest):
    error = "doc_validation"


class Unauthorized(StoreError):
    status = 401
    error = "unauthorized"


class Forbidden(StoreError):
    status = 403
    error = "forbidden"


class NotFound(StoreError):
    """`reason` is `missing` (never there), `deleted` (a tombstone wins) or `Database does not exist.`"""

    status = 404
    error = "not_found"


class MethodNotAllowed(StoreError):
    status = 405
    error = "method_not_allowed"


class NotAcceptable(StoreError):
    status = 406
    error = "not_acceptable"


class Conflict(StoreError):
    status = 409
    error = "conflict"

    def __init__(self, reason: str = "Document update conflict.") -> None:
        super().__init__(reason)


class DatabaseExists(StoreError):
    status = 412
    error = "file_exists"

    def __init__(self, reason: str = "The database could not be created, the file already exists.") -> None:
        super().__init__(reason)


class MissingStub(StoreError):
    status = 412
    error = "missing_stub"


class TooLarge(StoreError):
    status = 413
    error = "too_large"


class BadContentType(StoreError):
    status = 415
    error = "bad_content_type"


class RangeNotSatisfiable(StoreError):
    status = 416
    error = "requested_range_not_satisfiable"


class NotImplementedHere(StoreError):
    status = 501
    error = "not_implemented"


class Unavailable(StoreError):
    status = 503
    error = "service_unavailable"


class StorageFull(StoreError):
    status = 507
    error = "insufficient_storage"


class LinkError(ReplicationError):
    """The peer could not be reached or understood; nothing says the data is wrong."""


class LinkCut(LinkError):
    """The connection ended inside an exchange. What was not acknowledged may or may not have arrived."""


class NotAPeer(LinkError):
    """Something answered that is not a CouchDB peer: HTML, a redirect, a body that is not JSON."""
