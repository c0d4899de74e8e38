"""What the door asks of the node's log (`server.log.log.NodeLog`), and a log that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol


class EventLog(Protocol):
    """Where events get their leaves. What each call did is durable when it returns."""

    def intending(self, database: str, doc_ids: Iterable[str], at: datetime) -> AbstractContextManager[None]:
        """Note events about to be stored, together with what the block writes."""

    def settle(self, database: str, stored: Sequence[str], refused: Sequence[str], at: datetime) -> None:
        """Log what was stored, forget what was not."""

    def ensure(self, database: str, doc_ids: Sequence[str], at: datetime) -> None:
        """Log what is stored already, unless it is logged."""


class NoLog:
    """For an intake beside which there is no node: tools that fill a store, tests of single steps."""

    def intending(self, database: str, doc_ids: Iterable[str], at: datetime) -> AbstractContextManager[None]:
        return nullcontext()

    def settle(self, database: str, stored: Sequence[str], refused: Sequence[str], at: datetime) -> None:
        return

    def ensure(self, database: str, doc_ids: Sequence[str], at: datetime) -> None:
        return
