"""Made-up dossiers of the real shape: signed events as offices write them, and the chunks of their scans.

    town = Town(seed=7, half=1)
    docs = town.dossier()        # from `dossier.submitted` to `dossier.returned`, each a document ready to store

Everything is made of one seed but the signatures, which ECDSA makes anew each time. `half` chooses which half of the
names, places and phrases is used: a dictionary is trained on one (0) and measured on the other (1), so that it is
never measured on texts it has seen. Nobody here is a real person.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import orjson
from cryptography import x509

from crypto import keys
from crypto.certificates import build_root
from crypto.event import sign_event
from crypto.names import node_urn
from replication.document import Doc
from server.dossier.codes import build_dossier_code
from server.dossier.documents import chunk_doc, event_doc
from server.dossier.event import build_event, build_stream_id, event_id
from server.dossier.manifest import CHUNK_BYTES

EPOCH = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
FAMILY = "Nguyễn Trần Lê Phạm Hoàng Vũ Đặng Bùi Đỗ Hồ Ngô Dương Lý Vàng Lò Giàng Sùng Hà Cà Quàng Tòng Lường Vi Mùa"
MIDDLE = "Thị Văn Đức Minh Ngọc Hữu Thanh Quang Xuân Thu Bích Công A Seo Thế Tiến Kim Hồng Gia Bảo"
GIVEN = (
    "Anh Bình Châu Dung Giang Hà Hải Hạnh Hiền Hoa Hòa Hùng Hương Khánh Lan Linh Long Mai Nam Nga Ngân Nhung Oanh Phong"
    " Phúc Phương Quân Quyên Sơn Tâm Thảo Thắng Thủy Trang Trung Tuấn Uyên Vân Việt Yến Pó Dế Sáy Chứ Páo Mỷ Dợ Nhia"
)
PLACES = (
    "Nà Mòn|Pom Khoang|Huổi Cáy|Bản Lướt|Nậm Pồ|Tả Van|Sín Chải|Pá Hốc|Co Nhừ|Khuổi Luông|Nà Tấu|Phiêng Cành|Suối Tọ|"
    "Hua Nà|Mường Bon|Xà Phìn|Lũng Cú|Bó Sinh|Chiềng Khoi|Pắc Ngà|Tà Xùa|Hồng Ngài|Xím Vàng|Háng Đồng|Phình Hồ|Làng Nhì"
)
REASONS = (
    "Đã kiểm tra thông tin trên cơ sở dữ liệu, hồ sơ đủ thành phần theo quy định|Hồ sơ hợp lệ, đề nghị ký trả kết quả|"
    "Giấy chứng sinh bị mờ phần ngày sinh, đề nghị chụp lại|Thiếu bản chính giấy tờ tùy thân của người yêu cầu|"
    "Đã liên hệ gia đình qua điện thoại, hẹn bổ sung trong tuần|Chuyển bộ phận hộ tịch xem xét|"
    "Công dân đến nhận trực tiếp tại bộ phận một cửa|Kết quả đã được ký số và trả qua bưu chính|"
    "Tên trong tờ khai khác với giấy tờ kèm theo, đề nghị đính chính|Phí đã nộp tại quầy, biên lai lưu trong hồ sơ"
)


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs: a key with a certificate of its own, and the name they are known by."""

    name: str
    urn: str
    key: keys.PrivateKey
    certificate: x509.Certificate


@cache
def procedures() -> tuple[dict[str, Any], ...]:
    """Return the catalogue that ships with the server."""
    folder = resources.files("server.data") / "procedures"
    return tuple(orjson.loads(entry.read_bytes()) for entry in sorted(folder.iterdir(), key=lambda entry: entry.name))


@cache
def lists() -> dict[str, Any]:
    """Return the option lists procedures share."""
    value: dict[str, Any] = orjson.loads((resources.files("server.data") / "lists.json").read_bytes())
    return value


def _half(text: str, separator: str | None, half: int) -> Sequence[str]:
    return text.split(separator)[half::2]


class Town:
    """One commune's counter. `dossier` gives one dossier after another; time goes on between them."""

    def __init__(
        self, *, seed: int, half: int, unit: str = "H41.12.03", officials: int = 3, citizens: int = 40
    ) -> None:
        self._dice = random.Random(seed)
        self._unit = unit
        self._family = _half(FAMILY, None, half)
        self._middle = _half(MIDDLE, None, half)
        self._given = _half(GIVEN, None, half)
        self._places = _half(PLACES, "|", half)
        self._reasons = _half(REASONS, "|", half)
        self._now = EPOCH + timedelta(days=self._dice.randrange(200))
        self._number = self._dice.randrange(1, 400)
        self._officials = [self._person() for _ in range(officials)]
        self._node = self._person(node=True)
        # Each dossier has another applicant; making a key for each takes longer than all else, so keys go round.
        self._citizens = [self._person() for _ in range(citizens)]

    def dossier(self) -> list[Doc]:
        """Return the events of one dossier, oldest first."""
        dice, citizen, official = self._dice, self._dice.choice(self._citizens), self._dice.choice(self._officials)
        story = _Story(self, citizen)
        story.tell("dossier.submitted", citizen, self._submission(citizen), self._files())
        story.tell("receipt.issued", self._node, {"of": story.heads[0], "files": [], "bytes": 0})
        self._number += 1
        code = str(build_dossier_code(self._unit, self._now, self._number))
        due = self._text(self._now + timedelta(days=dice.choice((1, 3, 5, 15))))
        story.tell("dossier.accepted", official, {"code": code, "due": due})
        if dice.random() < 0.3:
            reason = {"items": [self._reason()], "reason": self._reason()}
            story.tell("dossier.supplement_requested", official, reason)
            story.tell("dossier.supplemented", citizen, {"note": self._reason()}, self._files(least=1))
        if dice.random() < 0.4:
            story.tell("dossier.forwarded", official, {"to": dice.choice(self._officials).name, "note": self._reason()})
        if dice.random() < 0.3:
            story.tell("dossier.commented", official, {"text": self._reason()})
        leader = dice.choice(self._officials)
        story.tell("dossier.resolved", leader, {"outcome": "granted", "summary": self._reason()})
        story.tell("dossier.returned", official, {"method": "counter", "receiver": citizen.name})
        return story.docs

    def events(self, count: int) -> list[Doc]:
        """Return at least `count` events: as many whole dossiers as that takes, as a counter's day mixes them."""
        docs: list[Doc] = []
        while len(docs) < count:
            day = [self.dossier() for _ in range(8)]
            docs += [doc for step in range(max(map(len, day))) for told in day for doc in told[step : step + 1]]
        return docs

    def chunks(self, count: int) -> Iterator[Doc]:
        """Yield chunks of scans: bytes that compress no further."""
        for _ in range(count):
            yield chunk_doc(self._dice.randbytes(CHUNK_BYTES))

    def write(self, stream: str, kind: str, author: Person, rest: dict[str, Any]) -> tuple[str, Doc]:
        """Return the content id and the document of one signed event."""
        self._now += timedelta(seconds=self._dice.randrange(40, 4000))
        event = build_event(
            stream=stream,
            type=kind,
            unit=self._unit,
            actor=author.urn,
            at=self._text(self._now),
            nonce=self._dice.randbytes(16),
            **rest,
        )
        iat = int(self._now.timestamp())
        signed = sign_event(event, key=author.key, certificate=author.certificate, iat=iat)
        return event_id(event), event_doc(signed)

    def stream(self) -> str:
        """Return the id of a new dossier."""
        return build_stream_id(int(self._now.timestamp() * 1000), self._dice.randbytes(10))

    def _person(self, *, node: bool = False) -> Person:
        name = self._name()
        key = keys.private_from_scalar(self._dice.getrandbits(250) + 1)
        certificate = build_root(
            name=name,
            key=key,
            not_before=EPOCH,
            not_after=EPOCH + timedelta(days=700),
            serial=self._dice.getrandbits(90) + 2**90,
        )
        urn = node_urn(self._unit) if node else f"urn:tram:subject:{self._dice.randbytes(16).hex()}"
        return Person(name, urn, key, certificate)

    def _name(self) -> str:
        dice = self._dice
        return f"{dice.choice(self._family)} {dice.choice(self._middle)} {dice.choice(self._given)}"

    def _text(self, at: datetime) -> str:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _reason(self) -> str:
        return f"{self._dice.choice(self._reasons)}; {self._name()}, bản {self._dice.choice(self._places)}."

    def _address(self) -> str:
        return f"Bản {self._dice.choice(self._places)}, xã {self._dice.choice(self._places)}, tỉnh Nghệ An"

    def _submission(self, citizen: Person) -> dict[str, Any]:
        procedure = self._dice.choice(procedures())
        return {
            "procedure": procedure["code"],
            "channel": self._dice.choice(("online", "counter", "helper")),
            "applicant": {
                "name": citizen.name,
                "id_number": self._digits(12),
                "phone": "09" + self._digits(8),
                "address": self._address(),
            },
            "form": {
                field["id"]: self._answer(field, procedure)
                for field in procedure["form"]["fields"]
                if field["required"] or self._dice.random() < 0.5
            },
            "delivery": self._dice.choice(("counter", "post", "online")),
        }

    def _answer(self, field: dict[str, Any], procedure: dict[str, Any]) -> str:
        shared = procedure.get("lists", {}).get(field.get("options_list"))
        if shared is None and field.get("options_list") in lists():
            shared = lists()[field["options_list"]]["options"]
        options = field.get("options") or shared
        if options:
            return str(self._dice.choice(options)["value"])
        kind = field["type"]
        if kind == "date":
            return self._text(EPOCH - timedelta(days=self._dice.randrange(20_000)))[:10]
        if kind in ("id_number", "phone"):
            return self._digits(12 if kind == "id_number" else 10)
        return self._name() if kind == "text" else self._address()

    def _digits(self, count: int) -> str:
        return "".join(self._dice.choices("0123456789", k=count))

    def _files(self, least: int = 0) -> list[dict[str, Any]]:
        return [
            {
                "sha256": self._hash(),
                "manifest": self._hash(),
                "size": self._dice.randrange(80_000, 400_000),
                "type": "image/jpeg",
                "name": f"IMG_2026{self._digits(4)}_{self._digits(6)}.jpg",
                "part": self._dice.choice(("to-khai", "giay-chung-sinh", "giay-to-tuy-than", "giay-to-cu-tru")),
            }
            for _ in range(self._dice.choice((least, 1, 2)))
        ]

    def _hash(self) -> str:
        return "sha256-" + b64encode(self._dice.randbytes(32), b"-_").decode().rstrip("=")


class _Story:
    """One dossier being told: each event names the one before it."""

    def __init__(self, town: Town, citizen: Person) -> None:
        self._town = town
        self._stream = town.stream()
        self.heads: list[str] = []
        self.docs: list[Doc] = []

    def tell(self, kind: str, author: Person, body: dict[str, Any], files: Sequence[dict[str, Any]] = ()) -> None:
        rest = {"prev": self.heads, "body": body, "files": files}
        name, doc = self._town.write(self._stream, kind, author, rest)
        self.heads = [name]
        self.docs.append(doc)
