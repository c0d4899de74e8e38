"""A node's home: the one directory that holds everything a node is.

    DIR/node.json         unit, name, engine, parent, created; 0600 because a CouchDB address carries a password
    DIR/keys/node.key     the node's signing key, PKCS #8 PEM, 0600
    DIR/keys/ca.key       the unit's CA key, PKCS #8 PEM, 0600, encrypted if TRAM_CA_PASSPHRASE was set at `init`
    DIR/keys/ca.token     instead of ca.key: the URI of the PKCS#11 token that holds it (`server.home.token`)
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

settings  node.json
cakeys    a CA key in a file, or in the token that a file names
token     keys that stay in a PKCS#11 token
files     reading within bounds, replacing in one step
home      the directory as one thing
"""

from server.home.cakeys import PASSPHRASE_VARIABLE
from server.home.files import parse_certificates, read_bounded, write_atomically
from server.home.home import Home
from server.home.settings import Engine, Settings

__all__ = [
    "PASSPHRASE_VARIABLE",
    "Engine",
    "Home",
    "Settings",
    "parse_certificates",
    "read_bounded",
    "write_atomically",
]
