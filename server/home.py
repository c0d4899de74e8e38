"""A node's home: the one directory that holds everything a node is.

    DIR/node.json         unit, name, engine, parent, created; 0600 because a CouchDB address carries a password
    DIR/keys/node.key     the node's signing key, PKCS #8 PEM, 0600
    DIR/keys/ca.key       the unit's CA key, PKCS #8 PEM, 0600, encrypted if TRAM_CA_PASSPHRASE was set at `init`
    DIR/keys/ca.token     instead of ca.key: the URI of the PKCS#11 token that holds it (`server.pki.token`)
    DIR/keys/ca-….key     the CA's next key during a rollover, and its earlier ones (`server.pki.generations`)
    DIR/keys/age.key      the key bundles for this node are sealed to, as age-keygen writes it, 0600 (`server.bundles`)
    DIR/certs/node.pem    the node's certificate
    DIR/certs/chain.pem   the unit's CA certificate first, then its issuers up to the root
    DIR/certs/anchors.pem the roots this node trusts
    DIR/certs/papers.pem  further roots, for signatures inside result papers alone: those a province accepts
    DIR/store/            embedded databases (SQLite engine only)
    DIR/relay/            closed bundles for other nodes, to be carried on
    DIR/node.db           what does not replicate: enrolment requests, sessions, codes, quarantine (`server.nodedb`)
    DIR/readmodel.db      computed from the store; can be deleted (`server.readmodel`)

Files are replaced, never edited: written beside, fsynced, renamed, and the directory fsynced, so that a power cut
leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys, strictjson
from crypto.errors import CryptoError
from crypto.keys import PrivateKey
from server.errors import Refused
from server.pki.token import MAX_URI_CHARS, open_key, parse_token_uri

PASSPHRASE_VARIABLE = "TRAM_CA_PASSPHRASE"  # noqa: S105 - the name of a variable, not a secret
_MAX_SETTINGS_BYTES = 64 * 1024
_MAX_PEM_BYTES = 1024 * 1024  # a chain of six certificates takes 5 KB


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a node's databases are. For "couchdb" `url` is the server with credentials, `prefix` what the names of
    this node's databases begin with there, so that several nodes may share one CouchDB."""

    kind: Literal["sqlite", "couchdb"] = "sqlite"
    url: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `tram init` was told. `parent` is the address it named; links made later are in `server.node.links`."""

    unit: str
    name: str
    engine: Engine
    parent: str | None
    created: str  # RFC 3339, UTC
    difficult_area: bool = False  # "vùng khó khăn": some procedures take longer there by law
    domain: str = ""  # the one official host that receipts' QR codes open; "" takes the host a page was asked from
    tsa: str = ""  # the time-stamp authority a serving node asks by itself; "" for none
    old_engine: Engine | None = None  # where the databases were before `tram migrate`, kept until it forgets them


class Home:
    """An existing home. Keys and certificates are read when asked for and never kept here."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings

    @classmethod
    def create(cls, path: Path, settings: Settings) -> Home:
        """Make the directory with its settings and a node key. Raises `Refused("home_exists")` if there is one."""
        if (path / "node.json").exists():
            raise Refused("home_exists", f"{path} is already a node's home; choose another directory")
        for folder in (path, path / "keys", path / "certs", path / "store"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = cls(path, settings)
        if not home._node_key.exists():  # an `init` cut short before node.json may go on
            write_atomically(home._node_key, keys.private_to_pem(keys.generate_p256()))
        write_atomically(path / "node.json", _settings_to_json(settings))
        return home

    @classmethod
    def open(cls, path: Path) -> Home:
        """Return the home in `path`. Raises `Refused` with "no_home" or "bad_home" and what to do."""
        try:
            data = (path / "node.json").read_bytes()
        except FileNotFoundError as exc:
            raise Refused(
                "no_home", f"{path} is not a node's home; make one with: tram init {path} --unit CODE"
            ) from exc
        return cls(path, _parse_settings(path, data))

    @property
    def unit(self) -> str:
        """The unit's code, such as "H41.12.03"."""
        return self.settings.unit

    def with_settings(self, settings: Settings) -> Home:
        """Replace node.json, durably and in one step, and return the home as it is from now on."""
        write_atomically(self.path / "node.json", _settings_to_json(settings))
        return Home(self.path, settings)

    # Keys

    @property
    def _node_key(self) -> Path:
        return self.path / "keys" / "node.key"

    @property
    def _ca_key(self) -> Path:
        return self.path / "keys" / "ca.key"

    @property
    def _ca_token(self) -> Path:
        return self._ca_key.with_suffix(".token")

    def node_key(self) -> PrivateKey:
        """Return the node's signing key."""
        return _read_key(self._node_key, None)

    def has_ca_key(self) -> bool:
        """Say whether this home can issue certificates: the key is here, or in a token that keys/ca.token names."""
        return self._ca_key.exists() or self._ca_token.exists()

    def ca_key(self) -> PrivateKey:
        """Return the CA key. Raises `Refused("bad_key")` if it is encrypted and TRAM_CA_PASSPHRASE does not open it,
        `Refused("no_ca_key")` if it is not here (a province may keep it offline)."""
        if not self.has_ca_key():
            raise Refused("no_ca_key", f"{self._ca_key} is missing; bring the medium that holds the CA key")
        return _ca_key_at(self._ca_key)

    def write_ca_token(self, uri: str) -> None:
        """Note the token that holds the CA key. Raises `Refused("ca_exists")` over another key."""
        if self.has_ca_key():
            raise Refused("ca_exists", f"{self.path} has a CA key; a new one follows it with: tram ca rollover")
        write_atomically(self._ca_token, uri.encode() + b"\n")

    def write_ca_key(self, key: PrivateKey) -> None:
        """Store the CA key, encrypted if TRAM_CA_PASSPHRASE is set. Raises `Refused("ca_exists")` over another."""
        if self.has_ca_key():
            raise Refused("ca_exists", f"{self._ca_key} exists; a new CA key would orphan every certificate it issued")
        write_atomically(self._ca_key, keys.private_to_pem(key, _passphrase()))

    # The next generation of the CA, while the unit above has not signed it

    @property
    def _next_ca_key(self) -> Path:
        return self.path / "keys" / "ca-next.key"

    def has_next_ca_key(self) -> bool:
        """Say whether a rollover has begun."""
        return self._next_ca_key.exists() or self._next_ca_key.with_suffix(".token").exists()

    def next_ca_key(self) -> PrivateKey:
        """Return the key that is to follow the CA's own. Raises `Refused("no_ca_key")`, `Refused("bad_key")`."""
        if not self.has_next_ca_key():
            raise Refused("no_ca_key", f"no rollover has begun; begin one with: tram ca rollover {self.path}")
        return _ca_key_at(self._next_ca_key)

    def write_next_ca_key(self, key: PrivateKey) -> None:
        """Store the key that is to follow, encrypted if TRAM_CA_PASSPHRASE is set."""
        write_atomically(self._next_ca_key, keys.private_to_pem(key, _passphrase()))

    def write_next_ca_token(self, uri: str) -> None:
        """Note the token that holds the key that is to follow."""
        write_atomically(self._next_ca_key.with_suffix(".token"), uri.encode() + b"\n")

    def promote_next_ca_key(self) -> None:
        """Make the next key the present one, durably. The present one has been kept by `keep_retired`."""
        for suffix, other in ((".key", ".token"), (".token", ".key")):
            following = self._next_ca_key.with_suffix(suffix)
            if following.exists():
                write_atomically(self._ca_key.with_suffix(suffix), following.read_bytes())
                self._ca_key.with_suffix(other).unlink(missing_ok=True)
                following.unlink()

    # Earlier generations of the CA: keys/ca-<mark>.key and certs/chain-<mark>.pem, kept to sign revocation lists

    def retired_marks(self) -> list[str]:
        """Return the marks (eight hexadecimal digits of the key identifier) of the CA's earlier keys, newest first."""
        found = sorted(self.path.glob("certs/chain-*.pem"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path.stem.removeprefix("chain-") for path in found]

    def retired_key(self, mark: str) -> PrivateKey:
        """Return an earlier CA key. Raises `Refused("no_ca_key")` or `Refused("bad_key")` as `ca_key` does."""
        path = self.path / "keys" / f"ca-{mark}.key"
        if not path.exists() and not path.with_suffix(".token").exists():
            raise Refused("no_ca_key", f"{path} is missing; bring the medium that holds it")
        return _ca_key_at(path)

    def keep_retired(self, mark: str, chain: Sequence[x509.Certificate]) -> None:
        """Copy the present CA key and its chain to where earlier generations are; a second time changes nothing."""
        for suffix in (".key", ".token"):
            kept, present = self.path / "keys" / f"ca-{mark}{suffix}", self._ca_key.with_suffix(suffix)
            if not kept.exists() and present.exists():
                write_atomically(kept, present.read_bytes())
        self._write_pem(f"chain-{mark}.pem", chain)

    def retired_chain(self, mark: str) -> list[x509.Certificate]:
        """Return the chain of an earlier CA key, its own certificate first."""
        return self._certificates(f"chain-{mark}.pem")

    # Certificates

    def node_certificate(self) -> x509.Certificate | None:
        """Return the node's certificate, None while the parent has not signed yet."""
        found = self._certificates("node.pem")
        return found[0] if found else None

    def chain(self) -> list[x509.Certificate]:
        """Return the unit's CA certificate and its issuers up to the root; empty while the parent has not signed."""
        return self._certificates("chain.pem")

    def anchors(self) -> list[x509.Certificate]:
        """Return the roots this node trusts."""
        return self._certificates("anchors.pem")

    def paper_anchors(self) -> list[x509.Certificate]:
        """Return the further roots that signatures inside result papers may lead to; none unless the file is there."""
        return self._certificates("papers.pem")

    def write_certificates(
        self, node: x509.Certificate, chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
    ) -> None:
        """Replace the node's certificate, its chain and the anchors, the node's own last: it says the rest is there."""
        for name, certificates in (("anchors.pem", anchors), ("chain.pem", chain), ("node.pem", [node])):
            self._write_pem(name, certificates)

    def _write_pem(self, name: str, certificates: Sequence[x509.Certificate]) -> None:
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        write_atomically(self.path / "certs" / name, pem)

    def _certificates(self, name: str) -> list[x509.Certificate]:
        path = self.path / "certs" / name
        if not path.exists():
            return []
        return parse_certificates(read_bounded(path, _MAX_PEM_BYTES), str(path))


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


def _passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE_VARIABLE, "").encode("utf-8") or None


def _ca_key_at(path: Path) -> PrivateKey:
    """Return the CA key in a file, or in the token that the file beside it names. Raises as `Home.ca_key`."""
    token = path.with_suffix(".token")
    if not token.exists():
        return _read_key(path, _passphrase())
    return open_key(parse_token_uri(read_bounded(token, MAX_URI_CHARS).decode("utf-8", "replace")))


def _read_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    pem = read_bounded(path, keys.MAX_PEM_BYTES)
    if b"ENCRYPTED" not in pem:
        passphrase = None  # the library refuses a passphrase for a key that needs none
    try:
        return keys.parse_private_pem(pem, passphrase)
    except CryptoError as exc:
        raise Refused("bad_key", f"{path}: {exc}; set {PASSPHRASE_VARIABLE} if the key is encrypted") from exc


def _engine_to_value(engine: Engine) -> dict[str, str]:
    if engine.url is None:
        return {"kind": engine.kind}
    return {"kind": engine.kind, "url": engine.url, "prefix": engine.prefix}


def _parse_engine(value: Mapping[str, Any]) -> Engine:
    return Engine(value["kind"], value.get("url"), value.get("prefix", ""))


def _settings_to_json(settings: Settings) -> bytes:
    value = {
        "v": 1,
        "unit": settings.unit,
        "name": settings.name,
        "engine": _engine_to_value(settings.engine),
        "parent": settings.parent,
        "created": settings.created,
        "difficult_area": settings.difficult_area,
        "domain": settings.domain,
    }
    if settings.old_engine is not None:
        value["old_engine"] = _engine_to_value(settings.old_engine)
    if settings.tsa:
        value["tsa"] = settings.tsa
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8") + b"\n"


def _parse_settings(path: Path, data: bytes) -> Settings:
    try:
        value = strictjson.parse(data, max_bytes=_MAX_SETTINGS_BYTES)
        engine = value["engine"]
        if value["v"] != 1 or engine["kind"] not in ("sqlite", "couchdb"):
            raise Refused("bad_home", f"{path} was made by another version of Trạm; update the program")
        return Settings(
            unit=value["unit"],
            name=value["name"],
            engine=_parse_engine(engine),
            parent=value["parent"],
            created=value["created"],
            difficult_area=value.get("difficult_area", False),
            domain=value.get("domain", ""),
            tsa=value.get("tsa", ""),
            old_engine=_parse_engine(value["old_engine"]) if "old_engine" in value else None,
        )
    except (CryptoError, KeyError, TypeError) as exc:
        raise Refused("bad_home", f"{path / 'node.json'} is damaged ({exc}); restore it from a backup") from exc
