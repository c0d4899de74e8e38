"""Acknowledgements over a link: what came by stick is confirmed when the two nodes meet."""

from __future__ import annotations

import pytest

from server.bundles import Ledger, export_bundle, import_bundle
from server.links.neighbours import Neighbour

C, D = "H41.12.03", "H41.12"


@pytest.fixture
def linked(make_homes, serve, tmp_path, helpers, key_pool):
    """A running district, and a commune linked to it that replicates only when asked."""
    homes = make_homes()
    district, url = serve(homes[D])
    commune, _ = serve(homes[C])
    commune.links.put(Neighbour("parent", url, "parent"))
    stick = tmp_path / "usb"
    stick.mkdir()
    return commune, district, stick


def test_a_link_confirms_what_went_by_stick_and_the_next_bundle_is_small(linked):
    """The commune writes, the district takes in, they meet: the commune knows, and writes nothing twice."""
    commune, district, stick = linked
    commune.sync.run_once("parent")  # brings the keys, both ways
    export_bundle(commune, to=D, path=stick, full=True)
    assert import_bundle(district, stick).problems == []
    ledger = Ledger(commune.db, commune.store.uuid)
    assert ledger.written(D)[0].acknowledged is None

    commune.sync.run_once("parent")
    commune.sync.run_once("parent")  # carries the head that was cosigned at the end of the meeting before

    assert ledger.written(D)[0].acknowledged is not None
    assert not ledger.awaits(D)
    assert not Ledger(district.db, district.store.uuid).has_news(C)
    rest = export_bundle(commune, to=D, path=stick)
    assert rest.parts == ()


def test_a_child_hears_of_its_parents_bundle_too(linked):
    """The other way round: what the commune took in is confirmed to the district by the same exchange."""
    commune, district, stick = linked
    commune.sync.run_once("parent")
    export_bundle(district, to=C, path=stick, full=True)
    import_bundle(commune, stick)

    commune.sync.run_once("parent")

    assert Ledger(district.db, district.store.uuid).written(C)[0].acknowledged is not None


def test_nobody_confirms_in_anothers_name(linked, helpers):
    """An acknowledgement signed by one node and brought by another, or changed on the way, is refused."""
    from server.bundles import acks
    from server.bundles.exporting import node_tokens

    commune, district, _ = linked
    url = commune.links.get("parent").url
    token = commune.signer.token(district.signer.urn, commune.clock.now())
    client = helpers.Client(url, "")
    commune.sync.run_once("parent")
    said = acks.build_acknowledgement(commune, Ledger(commune.db, commune.store.uuid), D)
    good = acks.sign_acknowledgement(commune, node_tokens(commune), said, D)
    stolen = acks.sign_acknowledgement(district, node_tokens(district), said, D)
    changed = good | {"acknowledgement": good["acknowledgement"] | {"bundles": ["0" * 32]}}
    elsewhere = acks.sign_acknowledgement(commune, node_tokens(commune), said, "H41")

    def post(value, **headers):
        return client.post("/api/bundles/acknowledgements", value, headers=headers)

    bearer = {"Authorization": f"Bearer {token}"}
    assert post(good, **bearer).status_code == 200
    assert post(stolen, **bearer).status_code == 403
    assert post(changed, **bearer).status_code == 400
    assert post(elsewhere, **bearer).status_code == 400
    assert post({"x": 1}, **bearer).status_code == 400
    assert post(good).status_code == 401
