"""The contract of `replication.store` as tests that any engine can run.

An engine's test module says what it is and what it cannot do:

    class TestMyStore(StoreContract):
        capabilities = StoreContract.capabilities - {"purge"}

        @pytest.fixture
        def store(self, tmp_path):
            store = MyStore(tmp_path)
            yield store
            store.close()

Each sentence of the Protocol's docstrings is a test here, with the behaviour of CouchDB 3.5. Nothing is asserted that
belongs to one engine: not the text of seqs, not the hash of a revision that an edit makes.
"""

from replication.testing.attachments import AttachmentContract
from replication.testing.base import Capability
from replication.testing.edits import EditContract
from replication.testing.feeds import FeedContract
from replication.testing.nodes import NodeContract
from replication.testing.ranges import RangeContract
from replication.testing.reads import ReadContract
from replication.testing.trees import TreeContract
from replication.testing.upkeep import UpkeepContract


class StoreContract(
    NodeContract,
    EditContract,
    TreeContract,
    ReadContract,
    FeedContract,
    RangeContract,
    AttachmentContract,
    UpkeepContract,
):
    """Everything a `Store` promises. A subclass supplies the fixture `store`."""


__all__ = ["Capability", "StoreContract"]
