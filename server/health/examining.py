"""Going through everything that may need a person, most urgent first. Each check yields what it found, in words."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from server.dossier.states import Text
from server.dossier.times import VIETNAM, format_time
from server.health.complaints import LISTS, STAMPS
from server.health.finding import LEVELS, Finding
from server.links.troubles import explain_trouble
from server.log.recovery import Waiting
from server.node.assembly import Node
from server.pki.authority import RENEW_NODE_BEFORE

LOW_DISK_BYTES: Final = 1024 * 1024 * 1024
STAMPS_AFTER: Final = timedelta(days=1)  # a line that was cut overnight is nobody's fault
_MOST_UNRECORDED: Final = 20


def examine(node: Node) -> list[Finding]:
    """Return everything that needs attention, alarms first. Reads every certificate: for a page or a command, not for
    each request (`urgent` is for those)."""
    found = [*urgent(node), *_unrecorded(node), *_upkeep(node), *_links(node)]
    return sorted(found, key=lambda each: LEVELS.index(each.level))


def urgent(node: Node) -> list[Finding]:
    """Return what leaders and administrators are told on every page: alarms, and what stands still until somebody
    acts. Some lookups by key."""
    return [*_alarms(node), *_log(node), *_clock(node), *_revocations(node), *_lists(node), *_stamps(node)]


def _alarms(node: Node) -> Iterator[Finding]:
    for each in node.alarms.known():
        yield Finding(
            "log_alarm",
            "alarm",
            Text(
                f"BÁO ĐỘNG do {each.unit} phát hiện: nhật ký {each.origin} có hai nội dung trái nhau",
                f"ALARM by {each.unit}: {each.origin}: {each.reason}",
            ),
            Text(
                "in hai đầu nhật ký làm bằng chứng, giữ nguyên ổ đĩa của máy đó, báo đơn vị cấp trên và công an",
                "print both heads as evidence, keep that machine's disk as it is, and call the unit above",
            ),
            each.at,
            f"/desk/health/{each.event}",
        )


def _log(node: Node) -> Iterator[Finding]:
    for unit, why in node.gossip.stopped():
        yield Finding(
            "log_stopped",
            "alarm",
            Text(
                f"{unit} không còn ký xác nhận nhật ký của trạm này: {why}",
                f"{unit} cosigns this node's log no more: {why}",
            ),
            Text("gọi cho đơn vị đó và giữ nguyên ổ đĩa này", "call them, and keep this disk as it is"),
        )
    waiting = node.recovery.waiting()
    if waiting is not None:
        yield Finding(
            "log_waits",
            "fault",
            _why_waiting(waiting),
            Text(
                "kết nối với đơn vị cấp trên; nếu lâu chưa được, hoặc không có cấp trên: tram doctor THƯ_MỤC"
                " --accept-restore",
                "connect it to the unit above; where that stays out of reach, or there is none: tram doctor DIR"
                " --accept-restore",
            ),
            format_time(waiting.since),
            "/desk/links",
        )
    if node.log.key.certificate is None:
        yield Finding(
            "log_uncertified",
            "fault",
            Text("Khóa nhật ký của trạm chưa có chứng thư", "the key of this node's log has no certificate"),
            Text(
                "khởi động trạm một lần với khóa của cơ quan cấp chứng thư đã mở",
                "start the node once with the CA key unlocked",
            ),
        )


def _why_waiting(waiting: Waiting) -> Text:
    """Say what was forgotten; dossiers are taken all the same."""
    if waiting.made_at is not None:
        made = waiting.made_at.astimezone(VIETNAM)
        return Text(
            f"Trạm được khôi phục từ bản sao lưu lúc {made:%H:%M %d/%m/%Y} và không nhớ những gì đã ký sau đó; hồ sơ"
            " vẫn được nhận, còn nhật ký và biên nhận phải chờ đơn vị cấp trên cho biết nhật ký đã đến đâu",
            f"this node was put back from a backup of {made:%Y-%m-%d %H:%M} and has forgotten what it signed since;"
            " dossiers are taken, the log and receipts wait for the unit above to say how far the log had come",
        )
    return Text(
        "Tệp node.db của trạm đã mất, nên trạm không nhớ nhật ký của mình; hồ sơ vẫn được nhận, còn nhật ký và biên"
        " nhận phải chờ đơn vị cấp trên cho biết nhật ký đã đến đâu",
        "this node's node.db was lost, and with it the memory of its log; dossiers are taken, the log and receipts wait"
        " for the unit above to say how far the log had come",
    )


def _clock(node: Node) -> Iterator[Finding]:
    jumps = node.clock.jumps.unanswered()
    if jumps:
        minutes, found = max(jump.minutes for jump in jumps), jumps[-1].found.astimezone(VIETNAM)
        yield Finding(
            "clock_jumped",
            "warning",
            Text(
                f"Đồng hồ của máy đã nhảy tới trước {minutes} phút, đến {found:%H:%M %d/%m/%Y}; biên nhận được ký theo"
                " giờ mới",
                f"the machine's clock jumped forward by {minutes} minutes, to {found:%Y-%m-%d %H:%M}; receipts are"
                " signed with the new time",
            ),
            Text(
                "kiểm tra giờ của máy; nếu sai thì chỉnh lại; sau đó chạy: tram doctor THƯ_MỤC --accept-clock",
                "look at the clock, set it if it is wrong, then: tram doctor DIR --accept-clock",
            ),
            format_time(jumps[-1].found),
        )
    if node.clock.is_behind():
        yield Finding(
            "clock_behind",
            "fault",
            Text(
                "Đồng hồ của máy chậm hơn thời điểm mà trạm đã xác nhận, nên trạm không ký biên nhận",
                "the system's clock stands before a time this node has vouched for, so it signs no receipts",
            ),
            Text(
                "chỉnh đồng hồ; nếu thời điểm trước kia mới là sai thì dừng trạm và chạy: tram doctor THƯ_MỤC"
                " --accept-clock",
                "set the clock; if that earlier time was wrong, stop the node and: tram doctor DIR --accept-clock",
            ),
        )


def _revocations(node: Node) -> Iterator[Finding]:
    waiting = node.revoking.waiting()
    if waiting:
        yield Finding(
            "revocation_waits",
            "fault",
            Text(
                f"{len(waiting)} lần ghi nhận mất khóa chưa được đưa vào danh sách thu hồi: khóa của cơ quan cấp chứng"
                " thư đang khóa hoặc cất nơi khác",
                f"{len(waiting)} recorded losses of keys are on no revocation list yet: the CA key is locked or"
                " elsewhere",
            ),
            Text("mở khóa đó rồi chạy: tram ca revoke THƯ_MỤC", "bring the CA key, then: tram ca revoke DIR"),
            waiting[0].at,
            "/desk/people",
        )


def _lists(node: Node) -> Iterator[Finding]:
    trust = node.trust.freshness(node.database, node.clock.now())
    complaint = node.complaints.of(LISTS)
    why = f" ({complaint.text})" if complaint else ""
    if trust.reason is not None:
        yield Finding(
            "crl_stale",
            "fault",
            trust.reason,
            Text(
                f"trước đó không trả và không ban hành được kết quả{why}",
                f"Until then results can be neither issued nor returned{why}",
            ),
            format_time(trust.due),
            "/desk/links",
        )
    elif trust.soon:
        yield Finding(
            "crl_soon",
            "warning",
            Text(
                f"Một danh sách thu hồi chứng thư sẽ hết hạn ngày {trust.due:%d/%m/%Y}",
                f"a revocation list lapses on {trust.due:%Y-%m-%d}",
            ),
            Text(
                f"đồng bộ với cấp trên; nếu là danh sách của {node.unit} thì khởi động trạm với khóa đã mở, hoặc: tram"
                f" ca crl THƯ_MỤC{why}",
                f"sync with the unit above; if the list is {node.unit}'s, start the node with the CA key unlocked, or:"
                f" tram ca crl DIR{why}",
            ),
        )


def _stamps(node: Node) -> Iterator[Finding]:
    complaint = node.complaints.of(STAMPS)
    if complaint is not None and node.clock.now() - complaint.since >= STAMPS_AFTER:
        yield Finding(
            "timestamps",
            "warning",
            Text(
                f"Chưa lấy được dấu thời gian: {complaint.text}",
                f"no time-stamps come: {complaint.text}",
            ),
            Text(
                "kiểm tra đường truyền và địa chỉ đã đặt; chữ ký vẫn có giá trị và được đóng dấu sau",
                "look at the line and the address (tram timestamp DIR --remember URL); signatures stay good and are"
                " stamped later",
            ),
            format_time(complaint.since),
        )


def _unrecorded(node: Node) -> Iterator[Finding]:
    for each in node.issuance.unrecorded()[:_MOST_UNRECORDED]:
        yield Finding(
            "unrecorded",
            "alarm",
            Text(
                f"{each.issuer} đã cấp cho {each.holder} một chứng thư không có trong sổ",
                f"{each.issuer} issued a certificate to {each.holder} that is on no record",
            ),
            Text(
                "hỏi cơ quan đó; nếu không phải do họ cấp thì thu hồi tại đó: tram ca revoke",
                "ask that office; if it did not mean to, revoke it there: tram ca revoke",
            ),
            each.begins,
        )


def _upkeep(node: Node) -> Iterator[Finding]:
    left = node.signer.certificate.not_valid_after_utc - node.clock.now()
    if left < RENEW_NODE_BEFORE:
        yield Finding(
            "node_certificate",
            "warning",
            Text(f"Chứng thư của trạm còn {left.days} ngày", f"the node's certificate ends in {left.days} days"),
            Text("khởi động trạm với khóa đã mở", "start the node with the CA key unlocked"),
        )
    if shutil.disk_usage(node.home.path).free < LOW_DISK_BYTES:
        yield Finding(
            "disk",
            "fault",
            Text("Ổ đĩa còn trống dưới 1 GiB", "less than 1 GiB is free on this disk"),
            Text("dọn bớt, hoặc chuyển trạm sang ổ lớn hơn", "free some, or move the node to a larger disk"),
        )
    for held in node.quarantine.all(limit=1):
        count = node.quarantine.count()
        yield Finding(
            "quarantine",
            "warning",
            Text(
                f"{count} tài liệu bị giữ vì không xác thực được; mới nhất: {held.code}: {held.reason}",
                f"{count} documents are in quarantine; the newest: {held.code}: {held.reason}",
            ),
            Text("xem lý do, hỏi nơi đã gửi; không cần xóa", "the reason names who sent them; nothing to delete"),
        )
    if not node.model.catalogue().bodies:
        yield Finding(
            "catalogue",
            "fault",
            Text("Chưa có thủ tục nào được công bố", "no procedure is published"),
            Text(
                "đồng bộ với cấp trên; tại đơn vị gốc: tram load-sample",
                "sync with the unit above, or, at the root: tram load-sample",
            ),
            page="/desk/links",
        )


def _links(node: Node) -> Iterator[Finding]:
    for status in node.sync.status():
        if status.last_error and not status.neighbour.paused:
            name, trouble = status.neighbour.name, explain_trouble(status.last_error)
            yield Finding(
                "link",
                "warning",
                Text(f"Đường đồng bộ {name}: {trouble.said.vi.rstrip('.')}", f"link {name}: {status.last_error}"),
                trouble.next,
                status.since,
                "/desk/links",
            )
