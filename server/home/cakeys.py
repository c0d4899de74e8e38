"""Where a CA key is: in a file, or in the PKCS#11 token that a file beside it names.

A unit's CA has a key now, perhaps the next one during a rollover, and those of earlier generations, all kept alike.
"""

from __future__ import annotations

import os
from pathlib import Path

from crypto import keys
from crypto.errors import CryptoError
from crypto.keys import PrivateKey
from server.errors import Refused
from server.home.files import read_bounded, write_atomically
from server.home.token import MAX_URI_CHARS, open_key, parse_token_uri

PASSPHRASE_VARIABLE = "TRAM_CA_PASSPHRASE"  # noqa: S105 - the name of a variable, not a secret


class KeyPlace:
    """The place of one CA key: `file` holds it, or the file beside it with the suffix .token says which token does."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._token = file.with_suffix(".token")

    def exists(self) -> bool:
        """Say whether a key is here, in either way."""
        return self.file.exists() or self._token.exists()

    def read(self) -> PrivateKey:
        """Return the key. Raises `Refused("bad_key")` if it is encrypted and TRAM_CA_PASSPHRASE does not open it,
        `Refused("no_file")` if there is none."""
        if not self._token.exists():
            return read_key(self.file, _passphrase())
        return open_key(parse_token_uri(read_bounded(self._token, MAX_URI_CHARS).decode("utf-8", "replace")))

    def write(self, key: PrivateKey) -> None:
        """Store a key in the file, encrypted if TRAM_CA_PASSPHRASE is set."""
        write_atomically(self.file, keys.private_to_pem(key, _passphrase()))

    def write_token(self, uri: str) -> None:
        """Note the token that holds the key."""
        write_atomically(self._token, uri.encode() + b"\n")

    def copy_to(self, other: KeyPlace) -> None:
        """Keep what is here in another place as well; what that one has already stays."""
        for here, there in ((self.file, other.file), (self._token, other._token)):
            if not there.exists() and here.exists():
                write_atomically(there, here.read_bytes())

    def move_to(self, other: KeyPlace) -> None:
        """Replace what another place has by what is here, durably. Cut short, it can be done again."""
        for here, there, instead in (
            (self.file, other.file, other._token),
            (self._token, other._token, other.file),
        ):
            if here.exists():
                write_atomically(there, here.read_bytes())
                instead.unlink(missing_ok=True)
                here.unlink()


def read_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Return the key of a PEM file. Raises `Refused("bad_key")`, `Refused("no_file")`."""
    pem = read_bounded(path, keys.MAX_PEM_BYTES)
    if b"ENCRYPTED" not in pem:
        passphrase = None  # the library refuses a passphrase for a key that needs none
    try:
        return keys.parse_private_pem(pem, passphrase)
    except CryptoError as exc:
        raise Refused("bad_key", f"{path}: {exc}; set {PASSPHRASE_VARIABLE} if the key is encrypted") from exc


def _passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE_VARIABLE, "").encode("utf-8") or None
