"""Events at the door: the numbered steps of `server.intake`, for one document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from crypto import strictjson
from crypto.chain import VerifiedSigner, verify_actor
from crypto.errors import UntrustedChain
from crypto.event import (
    MAX_ETSIU_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENT_DEPTH,
    SignedEvent,
    parse_signed_event,
    verify_event_signature,
)
from replication.document import Doc
from server.dossier.event import Event, document_id, parse_event
from server.dossier.times import parse_time
from server.errors import Refused
from server.intake.documents import check_name
from server.intake.places import check_event
from server.intake.refusal import refusing
from server.intake.source import Source
from server.intake.verdict import Verdict
from server.pki.directory import Directory

MAX_BODY_BYTES = MAX_EVENT_BYTES + MAX_ETSIU_BYTES + 4 * 1024  # the rest is protected header and signature
MAX_BODY_DEPTH = MAX_EVENT_DEPTH + 4  # "signatures" → entry → "header" → "etsiU"

# A path that does not hold now may have held when the author says the event was made. Nobody can prove it did, and it
# must not be thrown away either: a phone can be offline for longer than its certificate lives.
_MAY_HAVE_HELD = frozenset({"expired", "not_yet_valid", "revoked"})
# An author's clock may be this far ahead before its claim counts for nothing.
_CLOCK_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CheckedEvent:
    """An event that passed: who signed it, and what is known about the time of the signature."""

    signed: SignedEvent
    event: Event
    signer: VerifiedSigner
    verdict: Verdict


def check_event_document(
    doc: Doc, *, database: str, home_unit: str, source: Source, directory: Directory, now: datetime
) -> CheckedEvent:
    """Return the event in `doc`, proven. Raises `Refused` with the word of the step that failed."""
    if len(doc.body) > MAX_BODY_BYTES:  # 1
        raise Refused("too_large", f"a document of {len(doc.body)} bytes; an event's takes at most {MAX_BODY_BYTES}")
    with refusing():
        fields = strictjson.parse(doc.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)  # 1, 2
    if not isinstance(fields, dict) or fields.keys() != {"event", "signatures"}:  # 3
        raise Refused("schema", 'the document of an event has exactly the members "event" and "signatures"')
    event = parse_event(fields["event"])  # 3, 5
    with refusing():
        signed = parse_signed_event(fields)  # 3, 5, 6
    check_name(doc, document_id(event.stream, signed.id), signed.rev)  # 4
    check_event(database, event, home_unit)
    if source.kind == "person" and event.actor != source.name:
        raise Refused("actor_mismatch", f"{source.name} may bring their own events, this one is by {event.actor}")
    signer, verdict = _signer(directory, database, signed, event, now)  # 7, 8
    with refusing():
        verify_event_signature(signed, signer=signer)  # 9
        verify_actor(signer, event.actor)  # 10
    return CheckedEvent(signed, event, signer, verdict)


def _signer(
    directory: Directory, database: str, signed: SignedEvent, event: Event, now: datetime
) -> tuple[VerifiedSigner, Verdict]:
    """Return the proven signer and the verdict. The trusted time is now: the first this node knows of the event.

    A path that holds now is asked about the author's claim too: the nodes above may hear of the event when the path has
    ended, and `tram verify` always comes later. What they would refuse is refused here, while its author can mend it.
    """
    claimed = parse_time(event.at)
    with refusing():
        try:
            signer = directory.verify(database, signed.fingerprint, now)
        except UntrustedChain as exc:
            if exc.reason_code not in _MAY_HAVE_HELD or claimed > now + _CLOCK_AHEAD:
                raise
            return directory.verify_claim(database, signed.fingerprint, claimed), Verdict(
                "indeterminate", exc.reason_code
            )
        if not signer.not_before <= claimed <= signer.not_after:
            directory.verify_claim(database, signed.fingerprint, claimed)
    freshness = signer.freshness(now)
    return signer, Verdict("valid", "crl_stale" if freshness == "stale" else "")
