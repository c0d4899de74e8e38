"""Sealing bytes to recipients: age (C2SP age.md) with X25519 keys, by `pyrage`.

Each frame of a bundle is an age file of its own: 200 bytes more for each mebibyte, and a damaged byte costs one frame
instead of everything behind it (docs/decisions/0120). age says nothing about who sealed; signatures do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyrage

from replication.bundle.errors import BadBundle, Sealed

MAX_RECIPIENTS = 16  # each costs 100 bytes and 50 µs a frame
_MAX_TEXT = 128  # age1… takes 62 characters, AGE-SECRET-KEY-1… 74


@dataclass(frozen=True, slots=True)
class AgeKey:
    """An X25519 key: `recipient` is public ("age1…"), `secret` is what opens ("AGE-SECRET-KEY-1…")."""

    recipient: str
    secret: str

    @classmethod
    def generate(cls) -> AgeKey:
        """Return a new key from the operating system's randomness."""
        identity = pyrage.x25519.Identity.generate()
        return cls(str(identity.to_public()), str(identity))

    @classmethod
    def parse(cls, text: str) -> AgeKey:
        """Return the key in a file as `age-keygen` writes it. Raises `BadBundle` if there is none."""
        secrets = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if len(secrets) != 1 or len(secrets[0]) > _MAX_TEXT:
            raise BadBundle("a key file holds one line AGE-SECRET-KEY-1… and comments")
        try:
            identity = pyrage.x25519.Identity.from_str(secrets[0])
        except pyrage.IdentityError as exc:
            raise BadBundle(f"this is no age X25519 key: {exc}") from exc
        return cls(str(identity.to_public()), secrets[0])


def check_recipient(text: str) -> str:
    """Return `text` if it is an age X25519 recipient ("age1…"). Raises `BadBundle`."""
    try:
        if len(text) > _MAX_TEXT:
            raise BadBundle(f"an age recipient has 62 characters, this text {len(text)}")
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as exc:
        raise BadBundle(f"{text[:80]!a} is no age X25519 recipient (age1…): {exc}") from exc
    return text


class Sealer:
    """Seals to a fixed set of recipients, each of whom can open alone."""

    def __init__(self, recipients: Sequence[str]) -> None:
        wanted = tuple(dict.fromkeys(check_recipient(each) for each in recipients))
        if not 1 <= len(wanted) <= MAX_RECIPIENTS:
            raise BadBundle(f"a bundle is sealed to 1 to {MAX_RECIPIENTS} recipients, got {len(wanted)}")
        self.recipients = wanted
        self._parsed = [pyrage.x25519.Recipient.from_str(each) for each in wanted]

    def seal(self, plain: bytes) -> bytes:
        """Return `plain` as an age file."""
        return bytes(pyrage.encrypt(plain, self._parsed))


class Opener:
    """Opens what was sealed to one of our keys."""

    def __init__(self, keys: Sequence[AgeKey]) -> None:
        if not keys:
            raise BadBundle("no key to open with")
        self._identities = [pyrage.x25519.Identity.from_str(key.secret) for key in keys]

    def open(self, sealed: bytes) -> bytes:
        """Return what an age file holds. Raises `Sealed` for one that none of our keys opens, or that is damaged."""
        try:
            return bytes(pyrage.decrypt(sealed, self._identities))
        except pyrage.DecryptError as exc:
            raise Sealed(f"it does not open with this key: {exc}") from exc
