"""`Home`: the directory as keys, certificates and settings. The package says what lies where in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from crypto import keys
from crypto.keys import PrivateKey
from server.errors import Refused
from server.home.cakeys import KeyPlace, read_key
from server.home.files import parse_certificates, read_bounded, write_atomically
from server.home.settings import Settings, parse_settings, settings_to_json

_MAX_PEM_BYTES = 1024 * 1024  # a chain of six certificates takes 5 KB


class Home:
    """An existing home. Keys and certificates are read when asked for and never kept here."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self._node_key = path / "keys" / "node.key"
        self._ca = KeyPlace(path / "keys" / "ca.key")
        self._next_ca = KeyPlace(path / "keys" / "ca-next.key")

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
        write_atomically(path / "node.json", settings_to_json(settings))
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
        return cls(path, parse_settings(path, data))

    @property
    def unit(self) -> str:
        """The unit's code, such as "H41.12.03"."""
        return self.settings.unit

    def with_settings(self, settings: Settings) -> Home:
        """Replace node.json, durably and in one step, and return the home as it is from now on."""
        write_atomically(self.path / "node.json", settings_to_json(settings))
        return Home(self.path, settings)

    # Keys

    def node_key(self) -> PrivateKey:
        """Return the node's signing key."""
        return read_key(self._node_key, None)

    def has_ca_key(self) -> bool:
        """Say whether this home can issue certificates: the key is here, or in a token that keys/ca.token names."""
        return self._ca.exists()

    def ca_key(self) -> PrivateKey:
        """Return the CA key. Raises `Refused("bad_key")` if it is encrypted and TRAM_CA_PASSPHRASE does not open it,
        `Refused("no_ca_key")` if it is not here (a province may keep it offline)."""
        if not self._ca.exists():
            raise Refused("no_ca_key", f"{self._ca.file} is missing; bring the medium that holds the CA key")
        return self._ca.read()

    def write_ca_token(self, uri: str) -> None:
        """Note the token that holds the CA key. Raises `Refused("ca_exists")` over another key."""
        if self._ca.exists():
            raise Refused("ca_exists", f"{self.path} has a CA key; a new one follows it with: tram ca rollover")
        self._ca.write_token(uri)

    def write_ca_key(self, key: PrivateKey) -> None:
        """Store the CA key, encrypted if TRAM_CA_PASSPHRASE is set. Raises `Refused("ca_exists")` over another."""
        if self._ca.exists():
            raise Refused("ca_exists", f"{self._ca.file} exists; a new CA key would orphan every certificate it issued")
        self._ca.write(key)

    # The next generation of the CA, while the unit above has not signed it

    def has_next_ca_key(self) -> bool:
        """Say whether a rollover has begun."""
        return self._next_ca.exists()

    def next_ca_key(self) -> PrivateKey:
        """Return the key that is to follow the CA's own. Raises `Refused("no_ca_key")`, `Refused("bad_key")`."""
        if not self._next_ca.exists():
            raise Refused("no_ca_key", f"no rollover has begun; begin one with: tram ca rollover {self.path}")
        return self._next_ca.read()

    def write_next_ca_key(self, key: PrivateKey) -> None:
        """Store the key that is to follow, encrypted if TRAM_CA_PASSPHRASE is set."""
        self._next_ca.write(key)

    def write_next_ca_token(self, uri: str) -> None:
        """Note the token that holds the key that is to follow."""
        self._next_ca.write_token(uri)

    def promote_next_ca_key(self) -> None:
        """Make the next key the present one, durably. The present one has been kept by `keep_retired`."""
        self._next_ca.move_to(self._ca)

    # Earlier generations of the CA: keys/ca-<mark>.key and certs/chain-<mark>.pem, kept to sign revocation lists

    def retired_marks(self) -> list[str]:
        """Return the marks (eight hexadecimal digits of the key identifier) of the CA's earlier keys, newest first."""
        found = sorted(self.path.glob("certs/chain-*.pem"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [path.stem.removeprefix("chain-") for path in found]

    def retired_key(self, mark: str) -> PrivateKey:
        """Return an earlier CA key. Raises `Refused("no_ca_key")` or `Refused("bad_key")` as `ca_key` does."""
        place = self._retired_ca(mark)
        if not place.exists():
            raise Refused("no_ca_key", f"{place.file} is missing; bring the medium that holds it")
        return place.read()

    def keep_retired(self, mark: str, chain: Sequence[x509.Certificate]) -> None:
        """Copy the present CA key and its chain to where earlier generations are; a second time changes nothing."""
        self._ca.copy_to(self._retired_ca(mark))
        self._write_pem(f"chain-{mark}.pem", chain)

    def retired_chain(self, mark: str) -> list[x509.Certificate]:
        """Return the chain of an earlier CA key, its own certificate first."""
        return self._certificates(f"chain-{mark}.pem")

    def _retired_ca(self, mark: str) -> KeyPlace:
        return KeyPlace(self.path / "keys" / f"ca-{mark}.key")

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
