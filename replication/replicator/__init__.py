"""The replicator: brings one database's documents into another over links that keep breaking.

Calculation stands apart from traffic. Pure: `identity` (the name of a replication), `checkpoint` (logs and their
comparison), `batching` (how much at a time), `backoff` (when again), `ledger` (what is settled). Moving: `opening`,
`reader`, `sender`, `journal` are the stages of one pair, `express` goes ahead of its feed, `job` joins them, `link`
runs several over one connection as far as its `gate` is open.
"""

from replication.replicator.command import main
from replication.replicator.figures import Figures, JobState, Progress, Tally
from replication.replicator.gate import Gate
from replication.replicator.identity import build_replication_id
from replication.replicator.job import Pair
from replication.replicator.link import Link, replicate
from replication.replicator.state import CheckpointState, DatabaseState, MemoryState, Resume

__all__ = [
    "CheckpointState",
    "DatabaseState",
    "Figures",
    "Gate",
    "JobState",
    "Link",
    "MemoryState",
    "Pair",
    "Progress",
    "Resume",
    "Tally",
    "build_replication_id",
    "main",
    "replicate",
]
