"""Files that are read within bounds and replaced, never edited.

Written beside, fsynced, renamed, and the directory fsynced: a power cut leaves the old file or the new one.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography import x509

from server.errors import Refused


def parse_certificates(pem: bytes, origin: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text. Raises `Refused("bad_certificate")` naming `origin`."""
    try:
        return list(x509.load_pem_x509_certificates(pem))
    except (ValueError, x509.InvalidVersion) as exc:
        raise Refused("bad_certificate", f"{origin} does not hold PEM certificates: {exc}") from exc


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """Return a file's bytes. Raises `Refused` with "no_file", or "too_large" before reading more than the limit."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as exc:
        raise Refused("no_file", f"{path} cannot be read: {exc.strerror}") from exc
    if len(data) > limit_bytes:
        raise Refused("too_large", f"{path} is larger than {limit_bytes} bytes and is not what is expected here")
    return data


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data`, durably: after this call a power cut cannot bring the old content back."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # an earlier attempt may have left the file with another mode
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
