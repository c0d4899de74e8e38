"""Make tests/vectors/log/proofs.json: proofs of a log as a node gives them, for whoever checks them.

    python -m tests.vectors.make_log_vectors          write the file anew

    urn, chain       what a phone pinned at enrolment: its office's node, and the CAs above, DER in base64
    certificates     of the log keys that count for it: of the office's log and of the unit above
    strangers        of log keys that must not count, each with why
    proofs           {event, text, size, index, generation, received, witnesses: {unit: time}}
    refused          {name, event, text}: proofs that must be refused
    consistency      {old, new, old_root, new_root, proof}; not_consistent the same with one thing wrong

Keys, serials and times are fixed and every signature is deterministic, so a second run writes the same bytes.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, load_der_x509_certificate

from crypto import base64url, keys, merkle
from crypto.certificates import Issuer, build_ca, build_leaf, build_root
from crypto.logcert import log_origin
from crypto.note import Checkpoint, cosign_note, sign_note
from server.log.leaves import Leaf

FOLDER = Path(__file__).resolve().parent / "log"
PROVINCE, DISTRICT, COMMUNE = "H41", "H41.12", "H41.12.03"
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
RECEIVED, COSIGNED = 1795245220, 1795248000
LEAVES = 13
_SERIALS = 1 << 80  # serial numbers of ours have 64 bits and more

Json = dict[str, Any]


def _scalar(name: str) -> keys.PrivateKey:
    return keys.private_from_scalar(int.from_bytes(sha256(name.encode()).digest()) >> 8, None)


def _ed25519(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(f"log of {name}".encode()).digest())


def _b64(certificate: Any) -> str:
    return b64encode(certificate.public_bytes(Encoding.DER)).decode()


def _chain() -> dict[str, Issuer]:
    span: Json = {"not_before": BEGIN, "not_after": END}
    root = build_root(key=_scalar(PROVINCE), name="Example root", unit=PROVINCE, serial=_SERIALS + 1, **span)
    found = {PROVINCE: Issuer(root, _scalar(PROVINCE))}
    for serial, (unit, above) in enumerate(((DISTRICT, PROVINCE), (COMMUNE, DISTRICT)), start=2):
        public = _scalar(unit).public_key()
        ca = build_ca(found[above], name=f"{unit} CA", public_key=public, unit=unit, serial=_SERIALS + serial, **span)
        found[unit] = Issuer(ca, _scalar(unit))
    return found


def _log_certificate(issuer: Issuer, unit: str, name: str, serial: int) -> str:
    public = _ed25519(name).public_key()
    leaf = build_leaf(
        issuer, kind="log", public_key=public, unit=unit, not_before=BEGIN, not_after=END, serial=_SERIALS + serial
    )
    return _b64(leaf)


def _overreaching(chain: dict[str, Issuer]) -> str:
    """A certificate of the district's log that the commune's own CA made: its constraints forbid it, and phones do not
    read constraints."""
    copied = load_der_x509_certificate(b64decode(_log_certificate(chain[DISTRICT], DISTRICT, "taken", 23)))
    builder = CertificateBuilder(
        chain[COMMUNE].certificate.subject, copied.subject, copied.public_key(), 23, BEGIN, END
    )
    for each in copied.extensions:
        builder = builder.add_extension(each.value, each.critical)
    return _b64(builder.sign(_scalar(COMMUNE), SHA256(), ecdsa_deterministic=True))


def _event(number: int) -> bytes:
    return sha256(b"event %d" % number).digest()


def _leaves(first: int = 0) -> list[Leaf]:
    return [Leaf(_event(first + i), RECEIVED + i) for i in range(LEAVES)]


def _note(leaves: list[Leaf], size: int, *, generation: int = 1, witness: str = "", signer: str = COMMUNE) -> str:
    root = merkle.root([merkle.leaf_hash(each.data()) for each in leaves[:size]])
    origin = log_origin(COMMUNE, generation)
    note = sign_note(Checkpoint(origin, size, root).to_text(), name=origin, key=_ed25519(signer))
    if not witness:
        return note
    return cosign_note(note, name=log_origin(DISTRICT), key=_ed25519(witness), time_s=COSIGNED)


def _text(leaves: list[Leaf], index: int, size: int, note: str) -> str:
    hashes = [merkle.leaf_hash(each.data()) for each in leaves[:size]]
    path = [b64encode(each).decode() for each in merkle.inclusion_proof(hashes, index)]
    leaf = b64encode(leaves[index].data()).decode()
    return "\n".join(["c2sp.org/tlog-proof@v1", f"extra {leaf}", f"index {index}", *path]) + "\n\n" + note


def _proofs() -> Iterator[Json]:
    leaves = _leaves()
    for index, size, generation, witness in (
        *((i, LEAVES, 1, DISTRICT) for i in range(LEAVES)),
        *((0, size, 1, "") for size in range(1, LEAVES)),
        (4, 7, 2, DISTRICT),
        (6, 7, 2, ""),
    ):
        note = _note(leaves, size, generation=generation, witness=witness)
        yield {
            "event": f"sha256-{base64url.encode(leaves[index].event)}",
            "text": _text(leaves, index, size, note),
            "size": size,
            "index": index,
            "generation": generation,
            "received": RECEIVED + index,
            "witnesses": {DISTRICT: COSIGNED} if witness else {},
        }


def _refused() -> Iterator[Json]:
    leaves, other = _leaves(), _leaves(100)
    event = f"sha256-{base64url.encode(leaves[4].event)}"
    good = _text(leaves, 4, 9, _note(leaves, 9, witness=DISTRICT))
    lines = good.split("\n")
    cases = {
        "about another event": _text(leaves, 5, 9, _note(leaves, 9)),
        "under the head of another tree": _text(leaves, 4, 9, _note(other, 9)),
        "under a head nobody known signed": _text(leaves, 4, 9, _note(leaves, 9, signer="somebody")),
        "cosigned by a district's key that made another signature": good.replace("\nSha", "\nSHa"),
        "at another place": good.replace("index 4", "index 6"),
        "at a place that is not there": good.replace("index 4", "index 9"),
        "with a hash left out": "\n".join([*lines[:3], *lines[4:]]),
        "with a hash too many": "\n".join([*lines[:4], lines[3], *lines[4:]]),
        "of another version": good.replace("@v1", "@v2"),
        "with a leaf that is not base64": good.replace("extra ", "extra !"),
        "without a head": good.partition("\n\n")[0],
        "with a head without signatures": good.rpartition("\n\n")[0] + "\n\n",
    }
    for name, text in cases.items():
        if name.startswith("cosigned by"):
            head, _, last = good.rstrip("\n").rpartition(" ")
            flipped = last[:40] + ("A" if last[40] != "A" else "B") + last[41:]
            yield {"name": name, "event": event, "text": f"{head} {flipped}\n"}
        else:
            yield {"name": name, "event": event, "text": text}


def _consistency() -> Iterator[Json]:
    hashes = [merkle.leaf_hash(each.data()) for each in _leaves()]
    for new in range(1, LEAVES + 1):
        for old in range(1, new + 1):
            yield {
                "old": old,
                "new": new,
                "old_root": base64url.encode(merkle.root(hashes[:old])),
                "new_root": base64url.encode(merkle.root(hashes[:new])),
                "proof": [base64url.encode(each) for each in merkle.consistency_proof(hashes[:new], old)],
            }


def _not_consistent() -> Iterator[Json]:
    stranger = base64url.encode(merkle.root([merkle.leaf_hash(each.data()) for each in _leaves(100)[:6]]))
    for found in _consistency():
        if (found["old"], found["new"]) not in ((6, 11), (8, 13), (4, 4)):
            continue
        yield found | {"old_root": stranger}
        yield found | {"new_root": stranger}
        yield found | {"proof": [*found["proof"], stranger]}
        yield found | {"proof": found["proof"][:-1] if found["proof"] else [stranger]}
        yield found | {"old": 0}


def build() -> Json:
    """Return what the file holds."""
    chain = _chain()
    foreign = build_root(
        key=_scalar("H99"), name="Other", unit=PROVINCE, serial=_SERIALS + 1, not_before=BEGIN, not_after=END
    )
    strangers = {
        "issued by another root": _log_certificate(Issuer(foreign, _scalar("H99")), DISTRICT, "stranger", 20),
        "a log beside the path": _log_certificate(chain[DISTRICT], "H41.12.04", "beside", 21),
        "a log below": _log_certificate(chain[COMMUNE], "H41.12.03.07", "below", 22),
        "of the unit above, made by the office's own CA": _overreaching(chain),
        "a CA that is none": _b64(chain[DISTRICT].certificate),
    }
    return {
        "urn": "urn:tram:node:h41-12-03",
        "now": "2026-11-22T00:00:00Z",
        "chain": [_b64(chain[unit].certificate) for unit in (COMMUNE, DISTRICT, PROVINCE)],
        "certificates": [
            _log_certificate(chain[COMMUNE], COMMUNE, COMMUNE, 10),
            _log_certificate(chain[DISTRICT], DISTRICT, DISTRICT, 11),
        ],
        "strangers": strangers,
        "proofs": list(_proofs()),
        "refused": list(_refused()),
        "consistency": list(_consistency()),
        "not_consistent": list(_not_consistent()),
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(build(), indent=1) + "\n"


def main() -> None:
    """Write the file."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "proofs.json").write_text(text())


if __name__ == "__main__":
    main()
