"""Bytes in, values out: canonical JSON, JOSE signatures, certificates, Merkle proofs.

This package does no I/O, reads no clock and draws no randomness: time, keys, serials and nonces are arguments.
The one exception is unavoidable and stands where it happens: `crypto.keys.generate_*` draws a new key. Signing is
deterministic (RFC 6979). It imports nothing of `replication` or `server`.

- `base64url`, `strictjson`, `jcs`, `text`, `hashing`: the data rules every signed byte obeys;
- `keys`, `algorithms`, `jws`, `event`: JOSE (RFC 7515, 7517, 7518, 7638) and the signed event;
- `names`, `certificates`, `crl`, `path`, `chain`: X.509 profile, issuing and the path check;
- `merkle`, `note`: transparency log proofs (RFC 6962) and signed notes (C2SP).

Verbs are contracts: `parse_` raises, `verify_` returns what was proven or raises, `is_` never raises, `build_` is pure.
"""
