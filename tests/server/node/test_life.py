"""The life of a node: what begins and ends in which order, and that a home has one at a time."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from server.errands import Errand
from server.errors import NotReady
from server.intake.source import Source
from server.links.sync import Sync
from server.lock import take_lock
from server.node.front import Front
from server.pki.authority import Authority


def answer(environ, start_response):
    """Say one word: what a node serves is no matter here."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"here"]


@pytest.fixture
def home(make_homes):
    return make_homes("H41")["H41"]


def test_a_home_that_is_served_is_not_served_twice(home, make_node):
    """The second is told so and touches nothing; the first goes on. Afterwards the home is free."""
    first, second = make_node(home), make_node(home)
    url = first.start(answer)

    with pytest.raises(NotReady, match="being served by another process"):
        second.start(answer)
    second.close()

    assert requests.get(url, timeout=5).text == "here"
    first.stop()
    os.close(take_lock(home.path))


def test_a_start_that_finds_its_port_taken_can_be_stopped(home, make_node):
    """Errands run by then: stopping ends them and gives the home back, though nothing was ever served."""
    node = make_node(home)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, pytest.raises(OSError, match="in use"):
        node.start(answer, port=taken.getsockname()[1])
    assert all(errand.status().alive for errand in node.errands)

    node.stop()

    assert not any(errand.status().alive for errand in node.errands)
    os.close(take_lock(home.path))


def test_a_node_that_starts_takes_what_waits_for_a_certificate_that_is_here(home, make_node, key_pool, helpers):
    """A crash may have come between the two."""
    node = make_node(home)
    stranger = helpers.issue_person(Authority.open(home), key_pool())
    doc = stranger.sign(helpers.submission(home.unit, stranger))
    refused = node.intake.admit(node.database, [doc], source=Source("peer", "urn:tram:node:h41-12"))[0].error
    assert refused.reason.startswith("unknown_certificate")
    certificate = helpers.certificate_doc(stranger.certificate.public_bytes(Encoding.DER))
    node.store.open(node.database).bulk_docs([certificate], new_edits=False)

    node.start(answer, sync=False)

    helpers.wait_until(lambda: node.quarantine.count() == 0)
    assert node.store.open(node.database).get(doc.id).rev == doc.rev


def test_the_network_ends_first_and_errands_in_the_order_they_did_not_begin(home, make_node, monkeypatch):
    """Nobody is answered any more when links are cut, and the read model, which all the others hear, ends last."""
    node = make_node(home)
    ended = []
    for owner, method, name in (
        (Front, "close", lambda _: "front"),
        (Sync, "stop", lambda _: "links"),
        (Errand, "stop", lambda errand: errand.name),
    ):
        real = getattr(owner, method)

        def end(part, real=real, name=name):
            real(part)
            ended.append(name(part))

        monkeypatch.setattr(owner, method, end)
    node.start(answer)

    node.stop()

    begun = [errand.name for errand in node.errands]
    assert begun[0] == "readmodel"
    assert list(dict.fromkeys(ended)) == ["front", "links", *reversed(begun)]
