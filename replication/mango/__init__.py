"""Mango: CouchDB's declarative queries. Pure: values in, values out; whoever calls brings the documents.

- `selector`: reads a selector and brings it to normal form; `matching` makes a test of it;
- `collation`: CouchDB's order of JSON values; `fields`: paths into documents;
- `index`: what an index is and which design document holds it; `planner`: which index serves a query;
- `query`: the options of a query.
"""
