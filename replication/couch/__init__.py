"""The engine over a real CouchDB 3.x, beside `replication.sqlite`.

`CouchStore(url)` fulfils `replication.store.Store`; all traffic goes through the `couchdb` client package.

    pool        connections that are safe to share, under the client's `Session`
    link        requests to one server: time limits, what may be sent twice
    answers     CouchDB's refusals as the errors of `replication.errors`
    docjson     `Doc` and CouchDB's JSON for it
    reading     `_bulk_get` and what is asked through it
    writing     `_bulk_docs`: a document that fails fails alone
    local       `_local` documents
    maintenance `_purge`, limits, security
    compaction  compaction, shard by shard, until it has ended
    feed        `_changes`
    database    `CouchDatabase`, the parts put together
    identity    the uuid that peers key their checkpoints on
    store       `CouchStore`
"""

from replication.couch.store import CouchStore

__all__ = ["CouchStore"]
