"""Documents out of CouchDB, all through `_bulk_get`.

One request answers any number of rows, in their order; and its POST has no limit on the length of ids and revision
lists, as the address of a GET has. A row without `rev` gives all leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any

from replication.couch.docjson import JsonObject, parse_doc
from replication.couch.link import Link
from replication.document import Doc, DocId, Rev, parse_rev
from replication.store import GetRequest, MissingRev

ROWS_PER_REQUEST = 1000  # CouchDB takes 10,000 (max_bulk_get_count); answers stay moderate this way
Found = Doc | MissingRev
