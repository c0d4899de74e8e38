"""What went wrong on a link, in words for an official: what it is, and what happens next.

The replicator tells errors in its own words, which stay as evidence. Here each is sorted under one of a dozen words by
what it says; `tests/server/links/test_troubles.py` holds every message of the programme against this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from server.dossier.states import Text

CLOCKS_DIFFER_S = 120  # tokens bear ten minutes (`server.tokens`); people should know before


@dataclass(frozen=True, slots=True)
class Trouble:
    """`said` tells what is wrong, `next` what the node does about it and what a person may do."""

    word: str
    said: Text
    next: Text


_RETRY: Final = Text(
    "Trạm tự nối lại, chậm nhất nửa phút một lần. Hồ sơ vẫn được tiếp nhận và lưu tại đây.",
    "Trạm keeps trying, at least twice a minute. Dossiers are still taken in and kept here.",
)
_RESUME: Final = Text(
    "Trạm tự nối lại và chỉ gửi tiếp phần còn thiếu.", "Trạm reconnects and sends only what is still missing."
)

TROUBLES: Final[dict[str, Trouble]] = {
    trouble.word: trouble
    for trouble in (
        Trouble(
            "dns",
            Text("Không tìm được địa chỉ mạng của trạm bên kia.", "The other node's network address cannot be found."),
            Text(
                "Trạm tự thử lại. Nếu kéo dài, nhờ người quản trị kiểm tra tên máy và máy chủ DNS.",
                "Trạm keeps trying. If it lasts, have an administrator check the host name and the DNS server.",
            ),
        ),
        Trouble(
            "unreachable", Text("Không kết nối được với trạm bên kia.", "The other node cannot be reached."), _RETRY
        ),
        Trouble("cut", Text("Đường truyền bị ngắt giữa chừng.", "The line broke off."), _RESUME),
        Trouble("stalled", Text("Đường truyền đứng yên.", "The line stands still: no byte moved."), _RESUME),
        Trouble(
            "anew",
            Text(
                "Trạm bên kia vừa khởi động lại, có thể từ một bản sao lưu.",
                "The other node has begun anew, perhaps from a backup.",
            ),
            Text(
                "Trạm hỏi lại bên đó còn giữ những gì và gửi lại phần còn thiếu.",
                "Trạm asks what it still has and sends again what is missing there.",
            ),
        ),
        Trouble(
            "portal",
            Text(
                "Mạng đang chặn bằng một trang đăng nhập.",
                "A login page of the network is in the way.",
            ),
            Text(
                "Mở trình duyệt trên máy này và đăng nhập vào mạng. Sau đó Trạm tự chạy tiếp.",
                "Open a browser on this machine and log in to the network. Trạm then goes on by itself.",
            ),
        ),
        Trouble(
            "certificate_time",
            Text(
                "Chứng thư của trạm bên kia hết hạn hoặc chưa có hiệu lực; có thể đồng hồ của một bên sai.",
                "The other node's certificate has expired or is not valid yet; one of the clocks may be wrong.",
            ),
            Text(
                "Kiểm tra ngày giờ của máy này trước, rồi báo trạm bên kia gia hạn chứng thư.",
                "Check this machine's date and time first, then ask the other node to renew its certificate.",
            ),
        ),
        Trouble(
            "stranger",
            Text(
                "Máy trả lời không chứng minh được là trạm bên kia.",
                "Whoever answers does not prove to be the other node.",
            ),
            Text(
                "Không có gì được gửi đi. Người quản trị so dấu chứng thư với trạm bên kia rồi sửa liên kết.",
                "Nothing is sent. An administrator compares the certificate's thumbprint with the other node and mends"
                " the link.",
            ),
        ),
        Trouble(
            "clock",
            Text("Đồng hồ hai bên lệch nhau quá nhiều.", "The clocks of both nodes are too far apart."),
            Text(
                "Chỉnh lại ngày giờ của máy sai. Trạm tự thử lại.",
                "Set the clock of the machine that is wrong. Trạm keeps trying.",
            ),
        ),
        Trouble(
            "not_believed",
            Text("Trạm bên kia chưa công nhận trạm này.", "The other node does not believe this one."),
            Text(
                "Trạm tự giới thiệu lại. Nếu kéo dài, người quản trị kiểm tra chứng thư của trạm.",
                "Trạm introduces itself again. If it lasts, an administrator checks the node's certificate.",
            ),
        ),
        Trouble(
            "forbidden",
            Text("Trạm bên kia không cho phép việc này.", "The other node does not allow this."),
            Text(
                "Phần còn lại vẫn chuyển bình thường. Người quản trị hai bên kiểm tra phân cấp của đơn vị.",
                "Everything else goes on. Administrators of both check the unit's place in the tree.",
            ),
        ),
        Trouble(
            "busy",
            Text("Trạm bên kia đang bận và hẹn lại.", "The other node is busy and asks for patience."),
            Text("Trạm chờ đúng thời gian được hẹn rồi gửi tiếp.", "Trạm waits as long as it was asked to."),
        ),
        Trouble(
            "full",
            Text("Ổ đĩa của trạm nhận đã đầy.", "The receiving node's disk is full."),
            Text(
                "Cần giải phóng ổ đĩa ở bên nhận. Trạm giữ mọi hồ sơ ở đây và tự gửi tiếp.",
                "Room is needed on the receiving side. Trạm keeps everything here and goes on by itself.",
            ),
        ),
        Trouble(
            "note",
            Text(
                "Máy này không ghi lại được đã gửi đến đâu; ổ đĩa của máy có thể đã đầy.",
                "This machine cannot write down how far it has got; its disk may be full.",
            ),
            Text(
                "Hồ sơ vẫn được chuyển đi. Cần giải phóng ổ đĩa của máy này.",
                "Dossiers still go out. Room is needed on this machine's disk.",
            ),
        ),
        Trouble(
            "no_database",
            Text("Trạm bên kia chưa mở sổ của đơn vị này.", "The other node has no database for this unit yet."),
            Text("Trạm tự đề nghị mở và thử lại.", "Trạm asks for it to be made and tries again."),
        ),
        Trouble(
            "fault",
            Text("Trạm bên kia gặp lỗi bên trong.", "The other node has a fault of its own."),
            Text(
                "Trạm tự thử lại. Nếu kéo dài, báo người quản trị trạm bên kia.",
                "Trạm keeps trying. If it lasts, tell the other node's administrator.",
            ),
        ),
        Trouble(
            "refused",
            Text("Trạm bên kia không nhận một yêu cầu.", "The other node would not take a request."),
            Text(
                "Phần còn lại vẫn chuyển. Người quản trị xem chi tiết bên dưới.",
                "Everything else goes on. An administrator looks at the details below.",
            ),
        ),
        Trouble(
            "not_a_node",
            Text("Địa chỉ này trả lời, nhưng không phải là một trạm.", "This address answers, but not as a node does."),
            Text(
                "Trạm tự thử lại. Người quản trị kiểm tra địa chỉ bằng «tram link list».",
                "Trạm keeps trying. An administrator checks the address with “tram link list”.",
            ),
        ),
        Trouble("other", Text("Liên kết gặp trục trặc.", "Something is wrong with the link."), _RETRY),
    )
}

# Tried in order; the first that is found in the text decides.
_SIGNS: Final[tuple[tuple[str, str], ...]] = (
    (r"name or service not known|name resolution|nodename nor servname|getaddrinfo|no address associated", "dns"),
    (r"began anew or was set back", "anew"),
    (r"this machine could not note", "note"),
    (r"redirects to|login page|web page came", "portal"),
    (r"certificate has expired|not yet valid|certificate_expired", "certificate_time"),
    (r"does not prove to be the peer|pinned", "stranger"),
    (r"clock is [+-]?\d|token expired|clock says", "clock"),
    (r"the peer answered 401|token does not hold|say who you are|not known here", "not_believed"),
    (r"the peer answered (429|503)|asks to come back later", "busy"),
    (r"the peer answered 507|insufficient_storage|no space left|disk is full", "full"),
    (r"the peer answered 404", "no_database"),
    (r"the peer answered 403|is not open to|forbidden", "forbidden"),
    (r"(the peer answered|answers) 5\d\d", "fault"),
    (r"the peer answered 4\d\d", "refused"),
    (r"no byte moved", "stalled"),
    (r"cannot reach|does not answer|not connected|accepted the connection and ended it", "unreachable"),
    (r"two halves of|connection (is )?closed|^closed$|connection ended|ended the connection", "cut"),
    (r"gave up the connection", "cut"),
    (r"broke off|connection reset|broken pipe|timed out|no answer came|network is|no route", "cut"),
    (r"does not greet|not JSON|is not HTTP|answer|feed of|as a node does|calls itself|does not list", "not_a_node"),
    (r"unauthorized|401", "not_believed"),
)  # fmt: skip
_PATTERNS: Final = tuple((re.compile(pattern, re.IGNORECASE), word) for pattern, word in _SIGNS)


def explain_trouble(error: str) -> Trouble:
    """Return the trouble that a link's error text stands for; "other" if it is none of those known."""
    for pattern, word in _PATTERNS:
        if pattern.search(error):
            return TROUBLES[word]
    return TROUBLES["other"]
