"""To whom a backup is sealed, and what opens it (age, https://age-encryption.org/v1).

A passphrase does not seal the archive itself: it seals an identity drawn for this one backup, so that the archive is
an ordinary age file either way and can be written as a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyrage

from server.errors import Refused

Kind = Literal["open", "age", "passphrase"]
_MAX_IDENTITY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Opening:
    """What one backup is sealed to, and what of it opens it again: `identities` is empty unless they were drawn here,
    `key_age` holds them under the passphrase."""

    recipients: tuple[pyrage.x25519.Recipient, ...] = ()
    identities: tuple[pyrage.x25519.Identity, ...] = ()
    key_age: bytes = b""


@dataclass(frozen=True, slots=True)
class Seal:
    """How a backup is to be sealed: to age recipients ("age1…"), with a passphrase, or not at all."""

    recipients: tuple[str, ...] = ()
    passphrase: str = ""

    @property
    def kind(self) -> Kind:
        if self.recipients and self.passphrase:
            raise Refused("bad_seal", "seal a backup to recipients or with a passphrase, not both")
        return "age" if self.recipients else "passphrase" if self.passphrase else "open"

    def prepare(self) -> Opening:
        """Return what to seal with, a new identity in it where there is a passphrase.

        Raises `Refused("bad_seal")` for something that is no recipient.
        """
        if self.kind == "passphrase":
            identity = pyrage.x25519.Identity.generate()
            key_age = pyrage.passphrase.encrypt(str(identity).encode(), self.passphrase)
            return Opening((identity.to_public(),), (identity,), key_age)
        try:
            return Opening(tuple(pyrage.x25519.Recipient.from_str(text) for text in self.recipients))
        except pyrage.RecipientError as exc:
            raise Refused("bad_seal", f"an age recipient looks like age1…: {exc}") from exc


@dataclass(frozen=True, slots=True)
class Key:
    """What is at hand to open a backup. `identities` is the text of an age identity file."""

    identities: str = ""
    passphrase: str = ""

    def open(self, kind: str, key_age: bytes) -> Sequence[pyrage.x25519.Identity]:
        """Return the identities to try; none for an open backup. Raises `Refused("bad_key")` with what is lacking."""
        if kind == "open":
            return ()
        if kind == "passphrase":
            return _parse_identities(self._open_key(key_age))
        if not self.identities:
            raise Refused(
                "bad_key", "this backup is sealed to an age recipient: name its identity with --identity FILE"
            )
        return _parse_identities(self.identities)

    def _open_key(self, key_age: bytes) -> str:
        if not self.passphrase:
            raise Refused("bad_key", "this backup is sealed with a passphrase: set TRAM_BACKUP_PASSPHRASE, or type it")
        try:
            return str(pyrage.passphrase.decrypt(key_age, self.passphrase), "utf-8")
        except (pyrage.DecryptError, UnicodeDecodeError) as exc:
            raise Refused("bad_key", f"the passphrase does not open this backup ({exc})") from exc


def _parse_identities(text: str) -> Sequence[pyrage.x25519.Identity]:
    """Return the identities of an age identity file: one a line, "#" begins a comment."""
    lines = [line.strip() for line in text[:_MAX_IDENTITY_BYTES].splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as exc:
        raise Refused("bad_key", f"an age identity looks like AGE-SECRET-KEY-1…: {exc}") from exc
    if not found:
        raise Refused("bad_key", "the identity file holds no age identity")
    return found
