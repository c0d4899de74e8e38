"""Stores, the CouchDB protocol from both sides, and the replicator.

This package knows documents, revisions and attachments; it does not know what a dossier is. It may import
`crypto` and nothing of `server`. Inside it, calculation stands apart from traffic:

- `document`, `revtree`, `mango`: values and pure functions over them;
- `store`: the `Protocol`s every engine fulfils; `sqlite` and `couch` are the two engines, siblings of one shape;
- `http`: the CouchDB HTTP API over any store; `access`: who may open what there; `serving`: the WSGI server under it;
- `replicator`: moves documents between two peers and resumes;
- `testing`: the contract suite a third engine would have to pass.
"""
