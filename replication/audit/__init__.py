"""The audit: once a day, whether two databases that replicate really hold the same, and repair of what they do not.

A replicator trusts its checkpoint: what was lost below it (a disk, a restore, a fault of ours) is never sent again. The
audit compares both databases whole, at the cost of a few kilobytes, and brings over by name what differs, through the
same three calls the replicator uses: `_revs_diff`, `_bulk_get`, `_bulk_docs`.

    audit(source, target)                       documents the target lacks are brought to it
    audit(source, target, both_ways=True)       and those the source lacks to the source
    audit(source, target, repair=False)         only looked at

Call it while the pair is quiet: what is still on its way differs too, and is then carried by name.

`auditing` is the one audit, `sides` what it asks of either database, `digest` the sums they are compared by, which
`replication.http` makes for whoever asks, `command` is `python -m replication audit`.
"""

from replication.audit.auditing import DIFFERING_LIMIT, PLAIN_LIMIT, AuditReport, audit
from replication.audit.sides import Stopped

__all__ = ["DIFFERING_LIMIT", "PLAIN_LIMIT", "AuditReport", "Stopped", "audit"]
