"""The node's log: one leaf for every event its intake took, in a Merkle tree whose heads others witness.

    tree        nodes of the tree in SQLite, roots and proofs from them                    tables, no keys
    leaves      what a leaf is; how entries are packed into a page
    key         the log's Ed25519 key and its certificate, in the home
    log         `NodeLog`: leaves and signed checkpoints in one durable step with the documents they are about
    pages       the documents by which leaves and cosignatures travel
    proofs      `Proofs`: when an event is proven to have existed, from pages and cosignatures of any tier
    witness     what a parent keeps of its children's heads, and what it does when they do not fit together
    gossip      heads and cosignatures between neighbours, over the link or on a stick

Only hashes and times are in a log: events and keys stay deletable. Formats: docs/formats/log.md.
"""
