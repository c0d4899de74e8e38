"""CA keys that never leave a PKCS#11 token: named by a URI (RFC 7512), used as if they were ordinary keys.

    pkcs11:token=tram;object=ca-h41-12?module-path=/usr/lib/softhsm/libsofthsm2.so

The home keeps the URI (keys/ca.token), never the PIN: that comes from TRAM_CA_PIN, or from a file the URI names as
`pin-source=file:/…`. Needs the extra `pkcs11`.

`TokenKey` is an elliptic-curve private key to the `cryptography` library, which signs certificates and lists with
anything that has the interface. What a token cannot do, give its key away, raises.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from server.errors import Refused

PIN_VARIABLE = "TRAM_CA_PIN"
MODULE_VARIABLE = "TRAM_PKCS11_MODULE"
MAX_URI_CHARS = 1024
_MAX_PIN_BYTES = 256
_CURVES: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}

# A token's login state is one per process and slot: two threads that log in and out would lock each other out.
_TURN = threading.Lock()


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Where a key is: the token's label, the key's label, the driver's path, a file with the PIN ("" for none)."""

    token: str
    object: str
    module: str
    pin_file: str

    @property
    def text(self) -> str:
        """The URI without a PIN, for people."""
        return f"pkcs11:token={self.token};object={self.object}"


def parse_token_uri(text: str) -> TokenUri:
    """Return the parts of a PKCS#11 URI. Raises `Refused("bad_token")` saying what is missing; a PIN inside is refused,
    for this text is kept in the home and shown."""
    scheme, _, rest = text.strip().partition(":")
    if scheme != "pkcs11" or len(text) > MAX_URI_CHARS:
        raise Refused("bad_token", "a token is named as pkcs11:token=LABEL;object=KEY?module-path=DRIVER.so")
    path, _, query = rest.partition("?")
    parts = dict(each.partition("=")[::2] for each in path.split(";") if each)
    asked = parse_qs(query, keep_blank_values=True)
    if "pin-value" in asked:
        raise Refused("bad_token", f"leave the PIN out of the URI; give it as {PIN_VARIABLE} or pin-source=file:/…")
    missing = [name for name in ("token", "object") if not parts.get(name)]
    module = asked.get("module-path", [os.environ.get(MODULE_VARIABLE, "")])[0]
    if missing or not module:
        what = ", ".join(missing) or f"module-path (or {MODULE_VARIABLE})"
        raise Refused("bad_token", f"this PKCS#11 URI does not say: {what}")
    source = asked.get("pin-source", [""])[0]
    if source and not source.startswith("file:/"):
        raise Refused("bad_token", "pin-source is file:/path/of/a/file")
    return TokenUri(unquote(parts["token"]), unquote(parts["object"]), module, source.removeprefix("file:"))


class TokenKey(ec.EllipticCurvePrivateKey):
    """An EC key in a token. Every signature opens a session, logs in, signs, and logs out."""

    def __init__(self, uri: TokenUri, public: ec.EllipticCurvePublicKey) -> None:
        self._uri = uri
        self._public = public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.curve.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the DER signature. The token draws the nonce, so a wish for a deterministic one is not heeded.

        Raises `Refused("bad_token")` if the token is not there, the PIN is wrong, or the key is gone.
        """
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        else:
            hasher = hashes.Hash(algorithm)
            hasher.update(data)
            digest = hasher.finalize()
        from pkcs11 import Mechanism

        with _session(self._uri) as session:
            raw = _private(session, self._uri).sign(digest, mechanism=Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise Refused("bad_token", "a CA key signs; it agrees on no secrets")

    def private_numbers(self) -> NoReturn:
        raise Refused("bad_token", f"the key {self._uri.text} does not leave its token")

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> NoReturn:
        raise Refused("bad_token", f"the key {self._uri.text} does not leave its token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenKey:
        return self


def open_key(uri: TokenUri) -> TokenKey:
    """Return the key a URI names. Raises `Refused("bad_token")`."""
    from pkcs11 import ObjectClass
    from pkcs11.util.ec import encode_ec_public_key

    with _session(uri) as session:
        _private(session, uri)
        found = list(session.get_objects({_attribute().LABEL: uri.object, _attribute().CLASS: ObjectClass.PUBLIC_KEY}))
        if len(found) != 1:
            raise Refused("bad_token", f"{uri.text}: the token holds {len(found)} public keys of that label, not one")
        public = serialization.load_der_public_key(encode_ec_public_key(found[0]))
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name not in _CURVES:
        raise Refused("bad_token", f"{uri.text} is not a key on P-256 or P-384")
    return TokenKey(uri, public)


def make_key(uri: TokenUri, curve: str) -> TokenKey:
    """Make a key inside the token (curve "secp256r1" or "secp384r1") that can never be read out, and return it.

    Raises `Refused("bad_token")`, also where a key of that label exists: two would be taken for one another.
    """
    from pkcs11 import KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    names = _attribute()
    with _session(uri) as session:
        if list(session.get_objects({names.LABEL: uri.object})):
            raise Refused("bad_token", f"{uri.text} exists in that token; choose another object name")
        parameters = session.create_domain_parameters(
            KeyType.EC, {names.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        parameters.generate_keypair(
            store=True,
            label=uri.object,
            private_template={names.SENSITIVE: True, names.EXTRACTABLE: False, names.PRIVATE: True},
        )
    return open_key(uri)


@contextmanager
def _session(uri: TokenUri) -> Iterator[Any]:
    """Hold a logged-in session for the block; every fault of driver or token becomes ours."""
    try:
        import pkcs11
    except ImportError as exc:
        raise Refused("bad_token", "tokens need the extra: pip install 'tram[pkcs11]'") from exc
    with _TURN:
        try:
            token = pkcs11.lib(uri.module).get_token(token_label=uri.token)
            with token.open(rw=True, user_pin=_pin(uri)) as session:
                yield session
        except Refused:
            raise
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as exc:
            said = str(exc) or type(exc).__name__
            raise Refused("bad_token", f"{uri.text}: {said}; is it plugged in, and is {PIN_VARIABLE} right?") from exc


def _private(session: Any, uri: TokenUri) -> Any:
    from pkcs11 import ObjectClass

    found = list(session.get_objects({_attribute().LABEL: uri.object, _attribute().CLASS: ObjectClass.PRIVATE_KEY}))
    if len(found) != 1:
        raise Refused("bad_token", f"{uri.text}: the token holds {len(found)} private keys of that label, not one")
    return found[0]


def _pin(uri: TokenUri) -> str:
    if not uri.pin_file:
        return os.environ.get(PIN_VARIABLE, "")
    with Path(uri.pin_file).open("rb") as file:
        return file.read(_MAX_PIN_BYTES).decode("utf-8", "strict").strip()


def _attribute() -> Any:
    from pkcs11 import Attribute

    return Attribute
