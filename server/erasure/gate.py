"""Whether what a person says about an erasure can still count: asked before it is drafted, and again at the door.

Peers and sticks are not asked. A right may arrive after the event it is for, so what a tier above has taken must be
taken here: it is kept, and the fold says that it does not count (`server.dossier.erasing`).
"""

from __future__ import annotations

from typing import Final

from server.dossier.erasing import STOPS, Erasure
from server.dossier.event import Event, StoredEvent, event_id
from server.erasure.executor import Erasing
from server.erasure.orders import Orders
from server.errors import Clash, Refused
from server.readmodel.model import ReadModel

CONFIRMED: Final = "erasure.confirmed"

WITHDRAWN: Final = (
    "Đề nghị tiêu hủy này đã được rút, không xác nhận hay rút lại được nữa; cần thì lập đề nghị mới / this proposal was"
    " withdrawn and is ended for good; a new one may be made"
)
REFUSED: Final = (
    "Đề nghị tiêu hủy này đã bị từ chối, không xác nhận hay rút lại được nữa; cần thì lập đề nghị mới / this proposal"
    " was refused and is ended for good; a new one may be made"
)
EXECUTED: Final = (
    "Hồ sơ đã bị tiêu hủy theo hai chữ ký nên không rút được nữa / two persons ordered this erasure and it has been"
    " carried out; it cannot be withdrawn any more"
)
BEGUN: Final = (
    "Trạm này đang bắt đầu tiêu hủy hồ sơ; xem tình trạng ở trang Tiêu hủy để biết việc rút có kịp không / this node is"
    " just beginning to erase; the page about erasures shows whether the withdrawal came in time"
)
NOT_THE_PROPOSER: Final = (
    "Chỉ người đã đề nghị mới rút được đề nghị; lãnh đạo khác có thể từ chối xác nhận / only who proposed an erasure"
    " withdraws it; another leader may refuse it"
)
NO_VOICE: Final = (
    "Chỉ lãnh đạo của đơn vị hoặc cấp trên, không phải người đề nghị, được từ chối xác nhận / an erasure is refused by"
    " a leader of the unit or above who did not propose it"
)
UNKNOWN: Final = (
    "Ở đây không có đề nghị tiêu hủy nào với mã này / no erasure that could count was proposed here under this id"
)


class Gate:
    """Judges words about erasures by what this node holds. Safe from several threads."""

    def __init__(self, *, model: ReadModel, orders: Orders, erasing: Erasing) -> None:
        self._model = model
        self._orders = orders
        self._erasing = erasing

    def check(self, database: str, event: Event) -> None:
        """Raise `Refused` for an event that ends or confirms an erasure in `database` and would not count: "settled"
        if it comes too late, "not_entitled" if its author may not. Other events are passed over."""
        if event.type != CONFIRMED and event.type not in STOPS:
            return
        self._model.follower.catch_up(database)
        found = self._find(database, event)
        if event.type in STOPS:
            self._check_stop(database, event, found)
        elif found is not None:
            _check_not_stopped(found)

    def check_open(self, erasure: Erasure) -> None:
        """Raise `Refused` "settled" if an erasure can be stopped no more: it is ended, executed, or begins here."""
        _check_not_stopped(erasure)
        if erasure.is_executed:
            raise Refused("settled", EXECUTED)
        if self._erasing.has_begun(erasure.id):
            raise Refused("settled", BEGUN)

    def check_in_time(self, of: str) -> None:
        """Raise `Clash` if this node had begun to erase before a stop of `of`, stored by now, could keep it from it."""
        if self._erasing.has_begun(of):
            raise Clash(BEGUN)

    def _check_stop(self, database: str, event: Event, found: Erasure | None) -> None:
        if found is None:
            raise Refused("not_entitled", UNKNOWN, member="body.of")
        self.check_open(found)
        after = self._find(database, event, StoredEvent(event_id(event), event))
        if after is None or after.stop is None:
            raise Refused("not_entitled", NOT_THE_PROPOSER if event.type == "erasure.withdrawn" else NO_VOICE)

    def _find(self, database: str, event: Event, *more: StoredEvent) -> Erasure | None:
        return next((each for each in self._orders.of(database, more) if each.id == event.body["of"]), None)


def _check_not_stopped(erasure: Erasure) -> None:
    if erasure.is_stopped and erasure.stop is not None:
        raise Refused("settled", WITHDRAWN if erasure.stop.kind == "withdrawn" else REFUSED)
