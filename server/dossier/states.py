"""Status vocabularies and the moves between them, as data.

Four fields stand side by side and never derive from one another: `business` (what the office decided), `money`,
`handover` (where the papers and the result are) and `sync` (how far the dossier has travelled; the node fills it in).

The business codes 1 to 10 are those of the national portal's exchange ([C]: one provincial system, partly
corroborated; code 6 is the least certain). They are to be checked against the portal's technical guide before
anything is sent there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Mark = Literal["V", "C", "R"]  # read in a public source; read in third-party material; recalled, to be checked


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or name in Vietnamese, as an official would write it, with its English."""

    vi: str
    en: str

    def value(self) -> dict[str, str]:
        """The JSON object {"vi", "en"}."""
        return {"vi": self.vi, "en": self.en}


@dataclass(frozen=True, slots=True)
class Status:
    """A business status. `final` ones accept no further step; `clock` says what the processing time does in it."""

    code: int
    word: str
    name: Text
    final: bool
    clock: Literal["not_started", "running", "paused", "ended"]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Move:
    """A step that an event takes from any of `sources` to `target`; 0 is "nothing yet".

    `target` None returns to the status the dossier had before it waited for papers.
    """

    event: str
    sources: frozenset[int]
    target: int | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the money, hand-over or sync vocabulary with its name."""

    word: str
    name: Text
    mark: Mark


NEW, RECEIVED, REFUSED, PROCESSING, WAITING_PAPERS, WAITING_FEE, WITHDRAWN, STOPPED, DONE, RETURNED = range(1, 11)

STATUSES: Final[Mapping[int, Status]] = MappingProxyType(
    {
        status.code: status
        for status in (
            Status(1, "new", Text("Mới đăng ký", "Newly filed"), False, "not_started", "C"),
            Status(2, "received", Text("Được tiếp nhận", "Received"), False, "running", "C"),
            Status(3, "refused", Text("Không được tiếp nhận", "Not accepted"), True, "ended", "C"),
            Status(4, "processing", Text("Đang xử lý", "Being processed"), False, "running", "C"),
            Status(5, "waiting_papers", Text("Yêu cầu bổ sung giấy tờ", "More papers asked for"), False, "paused", "C"),
            Status(
                6,
                "waiting_fee",
                Text("Yêu cầu thực hiện nghĩa vụ tài chính", "A payment is due"),
                False,
                "paused",
                "C",
            ),
            Status(7, "withdrawn", Text("Công dân yêu cầu rút hồ sơ", "Withdrawn by the citizen"), True, "ended", "C"),
            Status(8, "stopped", Text("Dừng xử lý", "Stopped"), True, "ended", "C"),
            Status(9, "done", Text("Đã xử lý xong", "Processing finished"), False, "ended", "C"),
            Status(10, "returned", Text("Đã trả kết quả", "Result handed over"), True, "ended", "C"),
        )
    }
)

# [C] where one provincial system has the move; [R] where practice asks for one that it leaves out.
MOVES: Final[tuple[Move, ...]] = (
    Move("dossier.submitted", frozenset({0}), NEW, "C"),
    Move("dossier.accepted", frozenset({NEW, WAITING_PAPERS}), RECEIVED, "C"),
    Move("dossier.refused", frozenset({NEW, WAITING_PAPERS}), REFUSED, "C"),
    Move("dossier.forwarded", frozenset({RECEIVED, PROCESSING, WAITING_FEE}), PROCESSING, "C"),
    Move("dossier.supplement_requested", frozenset({NEW, RECEIVED, PROCESSING}), WAITING_PAPERS, "C"),
    Move("dossier.supplemented", frozenset({NEW, WAITING_PAPERS}), None, "R"),
    Move("dossier.withdrawn", frozenset({NEW, RECEIVED, PROCESSING, WAITING_PAPERS, WAITING_FEE}), WITHDRAWN, "R"),
    Move("dossier.stopped", frozenset({RECEIVED, PROCESSING, WAITING_PAPERS, WAITING_FEE}), STOPPED, "R"),
    Move("dossier.resolved", frozenset({RECEIVED, PROCESSING, WAITING_FEE}), DONE, "C"),
    Move("dossier.returned", frozenset({DONE}), RETURNED, "C"),
)

MOVE_OF: Final[Mapping[str, Move]] = MappingProxyType({move.event: move for move in MOVES})

# Which parallel events cannot both stand. Two of different types never can; two of one type cannot if they differ in
# the members named here. A second refusal or request for papers adds to the first and contradicts nothing.
DECISIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dossier.accepted": ("code", "due"),
        "dossier.refused": (),
        "dossier.supplement_requested": (),
        "dossier.stopped": (),
        "dossier.resolved": ("outcome",),
    }
)


def _by_word(*words: Word) -> Mapping[str, Word]:
    return MappingProxyType({each.word: each for each in words})


MONEY: Final[Mapping[str, Word]] = _by_word(
    Word("not_recorded", Text("Chưa ghi nhận", "Nothing recorded"), "R"),
    Word("unpaid", Text("Chưa thu", "Not paid"), "R"),
    Word("qr_printed", Text("Đã in mã QR", "QR code printed"), "R"),
    Word("to_reconcile", Text("Chờ đối soát", "Waiting to be reconciled"), "R"),
    Word("paid", Text("Đã thu", "Paid"), "R"),
    Word("exempt", Text("Miễn", "Exempt"), "R"),
    Word("refunded", Text("Hoàn", "Refunded"), "R"),
)

HANDOVER: Final[Mapping[str, Word]] = _by_word(
    Word("with_applicant", Text("Chưa tiếp nhận", "Not taken over yet"), "R"),
    Word("at_desk", Text("Tại bộ phận Một cửa", "At the one-stop desk"), "R"),
    Word("forwarded", Text("Đã chuyển xử lý", "Handed on for processing"), "R"),
    Word("result_waiting", Text("Có kết quả, chưa nhận", "Result ready, not collected"), "C"),
    Word("returned", Text("Đã trả kết quả", "Result handed over"), "C"),
    Word("closed", Text("Kết thúc, không có kết quả", "Closed without a result"), "R"),
)

SYNC: Final[Mapping[str, Word]] = _by_word(
    Word("unknown", Text("Chưa rõ", "Not known"), "R"),
    Word("local", Text("Chờ đồng bộ", "Only on this machine"), "C"),
    Word("incomplete", Text("Thiếu tệp", "Files are missing"), "R"),
    Word("complete", Text("Đã đủ tại trạm này", "Complete at this node"), "R"),
    Word("relayed", Text("Đã chuyển lên cấp trên", "Passed on to the tier above"), "R"),
)


def next_status(event: str, current: int, resume: int) -> int | None:
    """Return the status an event of that type leads to from `current` (0: nothing yet), None if it leads nowhere.

    `resume` is the status to return to when papers that were asked for have come.
    """
    move = MOVE_OF.get(event)
    if move is None or current not in move.sources:
        return None
    if move.target is not None:
        return move.target
    return resume if current == WAITING_PAPERS else current
