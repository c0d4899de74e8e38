"""News inside a node: which part hears of what. The parts do not know one another; here they are introduced.

    a document is stored      the read model folds it, the log proves and publishes it
    the read model knew it    phones' feeds, links, receipts, papers, erasures and revocations look whether it is theirs
    a leaf is proven          the read model shows since when
    a revocation list came    whoever was let in is asked again; what was judged without a fresh list is judged anew
    a revocation was ordered  whoever was let in is asked again; the list follows where the CA's key is at hand

A listener takes note and returns: it runs in the thread of whoever brings the news, a phone's request among them.
"""

from __future__ import annotations

from server.node.parts import Parts


def spread_news(parts: Parts) -> None:
    """Have every part told from now on what it has to hear of."""

    def stored(database: str) -> None:
        parts.model.follower.notice(database)
        parts.log_keeper.notice(database)

    def list_came(database: str) -> None:
        parts.tokens.forget()
        parts.crl_keeper.notice(database)

    def revocation_ordered() -> None:
        parts.tokens.forget()
        parts.crl_keeper.carry_out()

    parts.intake.on_stored = stored
    parts.proofs.listen(parts.model.learn_proofs)
    parts.directory.on_crl = list_came
    parts.revoking.on_order = revocation_ordered
    for hear in (
        parts.feed.notice,
        parts.sync.notice,
        parts.receipts.notice,
        parts.papers.notice,
        parts.erasing.notice,
        parts.revoking.notice,
        lambda _: parts.directory.look_again(),
    ):
        parts.model.follower.listen(hear)
