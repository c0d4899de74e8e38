"""One question to a time-stamp authority over HTTP (RFC 3161 §3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import requests
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from crypto import base64url
from crypto.errors import Malformed
from server.dossier.trustpolicy import TimeAuthority
from server.errors import NotReady, Refused
from server.timestamps.token import Token, build_imprint, parse_response, verify_token

_MAX_RESPONSE_BYTES: Final = 64 * 1024
_TIMEOUT_S: Final = 10.0  # a node that is told to stop waits for it
_HEADERS: Final = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class Authority:
    """A time-stamp authority at an address; its tokens have to hold under the trust policy."""

    def __init__(self, url: str, authorities: Sequence[TimeAuthority]) -> None:
        """Raises `Refused("bad_url")`, and `Refused("policy")` where the policy names no authority."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise Refused("bad_url", f"{url[:200]!a} is no address of a time-stamp authority (http:// or https://)")
        if not authorities:
            reason = (
                'the trust policy names no time-stamp authority; add one under "tsa" at the root: tram trust publish'
            )
            raise Refused("policy", reason)
        self.url = url
        self._authorities = tuple(authorities)
        self._session = requests.Session()

    def fetch(self, signature: bytes) -> Token:
        """Return a token over the signature (r ‖ s), proven under the policy, with our nonce.

        Raises `NotReady` where the authority cannot be reached or answers nonsense, `UntrustedChain` where what it
        signs is not covered by the policy.
        """
        text = base64url.encode(signature).encode("ascii")
        query = TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256).build()
        try:
            answer = self._post(query.as_bytes())
            token = parse_response(answer)
            nonce = decode_timestamp_response(answer).tst_info.nonce
        except (requests.RequestException, Malformed, ValueError) as exc:
            raise NotReady(f"{self.url} gave no time-stamp: {exc}") from exc
        if nonce != query.nonce or token.imprint != build_imprint(signature):
            raise NotReady(f"{self.url} answered another question; its answers may be cached on the way")
        verify_token(token, self._authorities)
        return token

    def _post(self, query: bytes) -> bytes:
        with self._session.post(self.url, data=query, headers=_HEADERS, timeout=_TIMEOUT_S, stream=True) as answer:
            answer.raise_for_status()
            data: bytes = answer.raw.read(_MAX_RESPONSE_BYTES + 1, decode_content=True)
        if len(data) > _MAX_RESPONSE_BYTES:
            raise Malformed(f"an answer of more than {_MAX_RESPONSE_BYTES} bytes")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
