"""Who may sign what: the unit's certificate authority, the certificates a node knows, and their documents.

- `authority`: founding a root, issuing to units, nodes and people, revoking;
- `request`: the two files with which a unit gets its CA certificate from the unit above, fit for a USB stick;
- `documents`: certificates and CRLs as the documents that replicate;
- `directory`: which certificates are in which database, and the path from one to its root;
- `credentials`: seeing to it that a signer's certificates and grants are where the signer's events are.
"""
