"""Tokens between nodes: for one node, by one node, for five minutes, and only for the branch the two share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from crypto import jcs, jws
from server.errors import NotSignedIn
from server.links.neighbours import Neighbour
from server.signing import TOKEN_TYPE

UNITS = ("H41", "H41.12", "H41.12.03", "H41.12.04")


@pytest.fixture
def tree(make_homes, make_node, serve):
    """(commune, district, district's address, province, province's address): the commune has met both."""
    homes = make_homes(*UNITS)
    clock = [datetime.now(UTC)]
    district, district_url = serve(homes["H41.12"], now=lambda: clock[0])
    province, province_url = serve(homes["H41"])
    commune = make_node(homes["H41.12.03"])
    for name, url in (("parent", district_url), ("tinh", province_url)):
        commune.links.put(Neighbour(name, url, "parent"))
        commune.sync.run_once(name)
    district.test_clock = clock
    return commune, district, district_url, province, province_url


def _ask(url, token, path="/db/u-h41-12-03"):
    return requests.get(url + path, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def _forge(node, at, **claims):
    """A token signed by `node` with claims of its choice."""
    issued = int(at.timestamp())
    payload = {"iss": node.signer.urn, "aud": "", "iat": issued, "exp": issued + 300} | claims
    header = {"typ": TOKEN_TYPE, "x5t#S256": node.signer.fingerprint}
    return jws.sign_compact(jcs.canonical(payload), key=node.home.node_key(), header=header)


def test_a_token_is_for_one_node_and_refused_when_carried_on_to_another(tree):
    """What the district was sent opens nothing at the province, which knows its signer just as well."""
    commune, district, district_url, province, province_url = tree
    token = commune.signer.token(district.signer.urn, datetime.now(UTC))

    assert _ask(district_url, token).status_code == 200
    replayed = _ask(province_url, token)
    assert replayed.status_code == 401
    assert f"this node is {province.signer.urn}" in replayed.json()["reason"]
    assert _ask(province_url, commune.signer.token(province.signer.urn, datetime.now(UTC))).status_code == 200


def test_a_node_cannot_speak_in_the_name_of_another(tree):
    """Signed by the commune, said to be from the province: refused before anything is opened."""
    commune, district, district_url, province, _ = tree
    token = _forge(commune, datetime.now(UTC), aud=district.signer.urn, iss=province.signer.urn)

    answer = _ask(district_url, token)
    assert answer.status_code == 401
    assert f"its signer {commune.signer.urn}" in answer.json()["reason"]


def test_a_replayed_token_opens_the_signers_own_branch_alone(tree):
    """Whoever catches a commune's token cannot read another commune's dossiers with it."""
    commune, district, district_url, *_ = tree
    token = commune.signer.token(district.signer.urn, datetime.now(UTC))

    assert _ask(district_url, token, "/db/u-h41-12-04").status_code == 403
    assert _ask(district_url, token, "/db/u-h41-12").status_code == 403
    assert requests.put(f"{district_url}/db/u-h41-12-04", timeout=60).status_code == 401


def test_a_token_ends_at_its_hour_even_where_it_was_taken_before(tree):
    """The memory of verified tokens keeps their end with them."""
    commune, district, district_url, *_ = tree
    token = commune.signer.token(district.signer.urn, district.test_clock[0])
    assert _ask(district_url, token).status_code == 200

    district.test_clock[0] += timedelta(seconds=301)
    ended = _ask(district_url, token)
    assert ended.status_code == 401
    assert "expired" in ended.json()["reason"]
    assert "clock says" in ended.json()["reason"]


OTHER_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "not yet": ({"ahead_s": 660}, "from ours"),
    "too long": ({"life_s": 601}, "at most 600 seconds"),
    "ends before it begins": ({"life_s": -1}, "at most 600 seconds"),
    "no number": ({"iat": "now"}, "whole seconds"),
    "several audiences": ({"aud": ["urn:tram:node:h41-12"]}, "nested deeper"),
    "no audience": ({"aud": None}, "this node is"),
}


def test_a_token_with_other_claims_is_refused(tree):
    """From the future, for too long, without times or without one audience."""
    commune, district, *_ = tree
    for claims, words in OTHER_CLAIMS.values():
        at = district.test_clock[0] + timedelta(seconds=claims.get("ahead_s", 0))
        said = {"aud": district.signer.urn, "exp": int(at.timestamp()) + claims.get("life_s", 300)}
        token = _forge(commune, at, **said | {name: claims[name] for name in ("iat", "aud") if name in claims})
        with pytest.raises(NotSignedIn, match=words):
            district.tokens.verify(token)
