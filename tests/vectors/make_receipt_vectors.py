"""Makes tests/vectors/receipt/receipts.json: a receipt as a node signs it, for the phone's verifier.

.venv/bin/python tests/vectors/make_receipt_vectors.py
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from crypto import base64url, keys
from crypto.hashing import sha256_id
from server.log.receipt import CitizenReceipt, build_receipt, receipt_url

DOMAIN = "dvc.dienbien.gov.vn"


def main() -> None:
    """Write the vector; the key is fixed and the signature deterministic (RFC 6979), so it is the same each time."""
    key = keys.private_from_scalar(0x1D0C5, None)
    root = sha256(b"root").digest()
    receipt = CitizenReceipt(
        "H41.12.03", 1795245220, "H41.12.03-261121-00042", sha256(b"event").digest(), 1, 1204, root
    )
    data = build_receipt(receipt, key=key, fingerprint=base64url.encode(sha256(b"certificate").digest()))
    vector = {
        "domain": DOMAIN,
        "url": receipt_url(DOMAIN, data),
        "jwk": keys.public_to_jwk(key.public_key()),
        "claims": {
            "unit": receipt.unit,
            "issued": receipt.issued,
            "code": receipt.code,
            "event": sha256_id(b"event"),
            "generation": 1,
            "size": 1204,
            "root": base64url.encode(root),
        },
    }
    folder = Path(__file__).parent / "receipt"
    folder.mkdir(exist_ok=True)
    (folder / "receipts.json").write_text(json.dumps(vector, indent=2) + "\n")


if __name__ == "__main__":
    main()
