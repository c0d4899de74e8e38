"""What is kept of certificates and lists while others come: what was read before is not kept over what came since."""

from __future__ import annotations

from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from crypto.crl import Revocation
from crypto.event import fingerprint_of
from server.dossier.documents import crl_doc
from server.pki.directory import key_id


def _once(wrapped, then):
    """`wrapped`, behind whose first result `then` happens before it is returned."""
    waiting = [then]

    def call(*arguments):
        found = wrapped(*arguments)
        if waiting:
            waiting.pop()()
        return found

    return call


def test_a_list_that_comes_while_the_lists_are_read_counts(commune, monkeypatch):
    """Read from the store by one thread, stored meanwhile by another: the revoked key must not stay good in what the
    first one keeps."""
    at, serial = commune.now[0], 2**80
    lists = [
        commune.authority.issue_crl(revoked, number=number, now=at + timedelta(minutes=number))
        for number, revoked in ((7, []), (8, [Revocation(serial, at)]))
    ]
    first, second = (crl_doc(each.public_bytes(Encoding.DER)) for each in lists)
    assert commune.put(first) == ""
    directory = commune.directory
    directory.reread_crls()
    arrive = _once(directory._documents, lambda: commune.put(second))
    monkeypatch.setattr(directory, "_documents", arrive)

    directory.crls(commune.database)

    newest = directory.crls(commune.database).of(commune.authority.certificate.subject.public_bytes())[0]
    assert newest.number == 8
    assert newest.entries.get_revoked_certificate_by_serial_number(serial) is not None


def test_a_ca_that_comes_while_the_cas_are_read_is_found(commune, ca_keys, monkeypatch):
    """Else every certificate below it would look unknown until the node is started again."""
    directory, own, unit = commune.directory, commune.authority.certificate, "H41.12.03.07"
    other = commune.authority.issue_unit(ca_keys[unit].public_key(), unit=unit, now=commune.now[0])
    directory.learn_authority(commune.database, own, fingerprint_of(own))  # nothing is kept from here on
    arrive = _once(
        directory._db.rows, lambda: directory.learn_authority(commune.database, other, fingerprint_of(other))
    )
    monkeypatch.setattr(directory._db, "rows", arrive)

    directory.authorities(commune.database)

    assert key_id(other) in directory.authorities(commune.database)
