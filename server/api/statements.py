"""What somebody is about to sign, in plain words: shown before the key is used, so that nobody signs a form of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.dossier.states import Text
from server.dossier.times import VIETNAM, parse_time


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about. `applicant` and `procedure` as people read them, `label` the code or a short id."""

    label: str
    applicant: str
    procedure: Text


def build_statement(type: str, body: Mapping[str, Any], about: Subject, files: int) -> Text:
    """Return the statement for an event of `type` with this body."""
    write = _STATEMENTS.get(type)
    if write is None:
        return Text(f'Tôi ký sự kiện "{type}".', f'I sign an event of type "{type}".')
    said = write(body, about)
    if not files:
        return said
    return Text(f"{said.vi} Kèm theo {files} tệp.", f"{said.en} With {files} {'file' if files == 1 else 'files'}.")


def review_statement(body: Mapping[str, Any], about: Subject, author: str, act: Text) -> Text:
    """Return the statement of a leader who adopts or discards what `author` had signed; `act` is what that says."""
    of, reason = _of(about), body["reason"]
    if body["decision"] == "discarded":
        return Text(
            f"Tôi không công nhận việc làm đang giữ lại của {author} trong {of.vi} («{act.vi}»). Lý do: {reason}",
            f'I do not adopt the held act of {author} in {of.en} ("{act.en}"). Reason: {reason}',
        )
    return Text(
        f"Tôi công nhận việc làm đang giữ lại của {author} trong {of.vi} («{act.vi}»); việc này có hiệu lực từ chữ ký"
        f" này. Lý do: {reason}",
        f'I adopt the held act of {author} in {of.en} ("{act.en}"); it takes effect with this signature.'
        f" Reason: {reason}",
    )


def show_time(at: str) -> str:
    """Return a time of an event as an office writes it: "16 giờ 30 phút, ngày 24/11/2026"."""
    local = parse_time(at).astimezone(VIETNAM)
    return f"{local.hour} giờ {local.minute:02d} phút, ngày {local:%d/%m/%Y}"


def show_time_en(at: str) -> str:
    """Return the same in English: "16:30 on 24 November 2026"."""
    local = parse_time(at).astimezone(VIETNAM)
    return f"{local:%H:%M} on {local.day} {_MONTHS[local.month - 1]} {local.year}"


_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _of(about: Subject) -> Text:
    return Text(
        f"hồ sơ {about.label} ({about.procedure.vi}) của {about.applicant}",
        f"dossier {about.label} ({about.procedure.en}) of {about.applicant}",
    )


def _submitted(body: Mapping[str, Any], about: Subject) -> Text:
    delivery = {
        "counter": Text("tại bộ phận Một cửa", "at the one-stop desk"),
        "post": Text("qua bưu chính công ích", "by post"),
        "online": Text("trực tuyến", "online"),
    }[body["delivery"]]
    vi = f"Tôi nộp hồ sơ {about.procedure.vi} cho {about.applicant}; nhận kết quả {delivery.vi}."
    en = f"I file a dossier, {about.procedure.en}, for {about.applicant}; the result is to be received {delivery.en}."
    behalf = on_behalf_text(body.get("on_behalf"))
    return Text(f"{vi} {behalf.vi}", f"{en} {behalf.en}") if behalf else Text(vi, en)


def on_behalf_text(value: Mapping[str, str] | None) -> Text | None:
    """Return the sentence about a filing for somebody who signed on paper, None for any other: it never reads as if
    that person had signed electronically."""
    if not value:
        return None
    how = {
        "wet_signature": Text("ký tay trên giấy", "signed on paper by hand"),
        "fingerprint": Text("điểm chỉ trên giấy", "gave a fingerprint on paper"),
    }[value["how"]]
    witness = value.get("witness", "")
    seen = Text(f" trước người làm chứng {witness}", f" before the witness {witness}") if witness else Text("", "")
    return Text(
        f"{value['name']} không ký điện tử: đã {how.vi}{seen.vi}, bản chụp kèm theo; chữ ký điện tử là của người nộp"
        " thay.",
        f"{value['name']} did not sign electronically: they {how.en}{seen.en}, the scan is attached; the electronic"
        " signature is of who filed for them.",
    )


def _accepted(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(
        f"Tôi tiếp nhận {_of(about).vi}, cấp mã {body['code']}, hẹn trả kết quả trước {show_time(body['due'])}.",
        f"I accept {_of(about).en}, give it the code {body['code']}, and set the result's due time to"
        f" {show_time_en(body['due'])}.",
    )


def _refused(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(
        f"Tôi từ chối tiếp nhận {_of(about).vi}. Lý do: {body['reason']}",
        f"I do not accept {_of(about).en}. Reason: {body['reason']}",
    )


def _forwarded(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(f"Tôi chuyển {_of(about).vi} đến {body['to']}.", f"I hand {_of(about).en} on to {body['to']}.")


def _supplement_requested(body: Mapping[str, Any], about: Subject) -> Text:
    items = "; ".join(body["items"])
    return Text(
        f"Tôi yêu cầu bổ sung {_of(about).vi}: {items}. Lý do: {body['reason']}",
        f"I ask for more papers in {_of(about).en}: {items}. Reason: {body['reason']}",
    )


def _supplemented(_: Mapping[str, Any], about: Subject) -> Text:
    return Text(f"Tôi bổ sung {_of(about).vi}.", f"I add to {_of(about).en}.")


def _withdrawn(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(
        f"Tôi xin rút {_of(about).vi}. Lý do: {body['reason']}", f"I withdraw {_of(about).en}. Reason: {body['reason']}"
    )


def _stopped(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(
        f"Tôi dừng giải quyết {_of(about).vi}. Lý do: {body['reason']}",
        f"I stop the processing of {_of(about).en}. Reason: {body['reason']}",
    )


def _resolved(body: Mapping[str, Any], about: Subject) -> Text:
    outcome = {
        "granted": Text("đồng ý giải quyết", "granted"),
        "rejected": Text("không đồng ý giải quyết", "rejected"),
    }[body["outcome"]]
    return Text(
        f"Tôi kết thúc xử lý {_of(about).vi}, kết quả: {outcome.vi}. {body['summary']}",
        f"I finish {_of(about).en}, outcome: {outcome.en}. {body['summary']}",
    )


def _returned(body: Mapping[str, Any], about: Subject) -> Text:
    method = {
        "counter": Text("trực tiếp", "at the counter"),
        "post": Text("qua bưu chính công ích", "by post"),
        "online": Text("trực tuyến", "online"),
    }[body["method"]]
    return Text(
        f"Tôi đã trả kết quả {_of(about).vi} {method.vi} cho {body['receiver']}.",
        f"I handed over the result of {_of(about).en} {method.en} to {body['receiver']}.",
    )


def _commented(body: Mapping[str, Any], about: Subject) -> Text:
    return Text(f"Tôi ghi ý kiến vào {_of(about).vi}: {body['text']}", f"I comment on {_of(about).en}: {body['text']}")


def _conflict_resolved(body: Mapping[str, Any], about: Subject) -> Text:
    chosen = body["chosen"][-8:]
    return Text(
        f"Tôi giải quyết mâu thuẫn trong {_of(about).vi}, chọn quyết định …{chosen}. Lý do: {body['reason']}",
        f"I settle the conflict in {_of(about).en} in favour of decision …{chosen}. Reason: {body['reason']}",
    )


def _approved(body: Mapping[str, Any], _: Subject) -> Text:
    kind = {
        "citizen": Text("công dân", "citizen"),
        "official": Text("cán bộ, công chức", "official"),
        "helper": Text("thành viên tổ công nghệ số cộng đồng", "helper of the community digital team"),
    }[body["kind"]]
    return Text(
        f"Tôi đã kiểm tra giấy tờ tùy thân và xác nhận {body['name']} ({kind.vi}) giữ khóa này.",
        f"I have checked the identity papers and confirm that {body['name']} ({kind.en}) holds this key.",
    )


_STATEMENTS: Mapping[str, Callable[[Mapping[str, Any], Subject], Text]] = {
    "dossier.submitted": _submitted,
    "dossier.accepted": _accepted,
    "dossier.refused": _refused,
    "dossier.forwarded": _forwarded,
    "dossier.supplement_requested": _supplement_requested,
    "dossier.supplemented": _supplemented,
    "dossier.withdrawn": _withdrawn,
    "dossier.stopped": _stopped,
    "dossier.resolved": _resolved,
    "dossier.returned": _returned,
    "dossier.commented": _commented,
    "dossier.conflict_resolved": _conflict_resolved,
    "enrol.approved": _approved,
}
