"""The replicator: brings one database's documents into another over links that keep breaking.

Calculation stands apart from traffic. Pure: `identity` (the name of a replication), `checkpoint` (logs and their
comparison), `batching` (how much at a time), `backoff` (when again), `ledger` (what is settled). Moving: `opening`
finds where to go on; then documents pass `stages`: `reader` (its parts are `stretches` of the feed, `questions` about
its rows, `fetching` of revisions, and what is `at_hand`) and `sender`, with `express` ahead of the feed; `journal`
writes down how far that got. `job` joins them for one `pair`, `link` runs several over one connection as far as its
`gate` is open, with the notes of `quiet` moments (`vouching`), `watcher`s for news and `telling` for who looks on.
"""

from replication.replicator.command import main
from replication.replicator.figures import Figures, JobState, Progress, Tally
from replication.replicator.gate import Gate
from replication.replicator.identity import build_replication_id
from replication.replicator.link import Link, replicate
from replication.replicator.pair import Pair
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
