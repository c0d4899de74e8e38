"""Bytes in, values out: canonical JSON, JOSE signatures, certificates, Merkle proofs.

This package does no I/O, reads no clock and draws no randomness: time, keys, serials and nonces are arguments.
The two exceptions are unavoidable and stand where they happen: `crypto.keys.generate_*` (a new key is random) and
ECDSA signing (the library draws the nonce). It imports nothing of `replication` or `server`.

- `base64url`, `strictjson`, `jcs`, `text`, `hashing`: the data rules every signed byte obeys;
- `keys`, `algorithms`, `jws`: JOSE (RFC 7515, 7517, 7518, 7638) and the signed event;
- `names`, `certificates`, `crl`, `chain`: X.509 profile, issuing and the path check;
- `merkle`, `note`: transparency log proofs (RFC 6962) and signed notes (C2SP).

Verbs are contracts: `parse_` raises, `verify_` returns what was proven or raises, `is_` never raises, `build_` is pure.
"""
