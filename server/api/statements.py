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
    with_files = f"With {files} {'file' if files == 1 else 'files'}."
    return Text(f"{_ended(said.vi)} Kèm theo {files} tệp.", f"{_ended(said.en)} {with_files}")


def _ended(text: str) -> str:
    """Return a statement with a full stop; people's own words at its end often have none."""
    return text if text.endswith((".", "!", "?", "…", "»", '"')) else f"{text}."


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


def again_statement(said: Text) -> Text:
    """Return the statement of an approval whose key follows one that was lost."""
    return Text(
        f"{said.vi} Đây là khóa mới của người đã đăng ký trước đây: hồ sơ và nhiệm vụ cũ vẫn là của người này.",
        f"{said.en} It is the next key of somebody enrolled before: their dossiers and roles stay theirs.",
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


Writer = Callable[[Mapping[str, Any], Subject], Text]


def _sentence(vi: str, en: str, **choices: Mapping[str, Text]) -> Writer:
    """Return a writer of one sentence. `{of}` stands for the dossier and `{x}` for the member `x` of the body: in words
    where `choices` has some for its values, a list as one line, a `due` time as an office writes it."""

    def write(body: Mapping[str, Any], about: Subject) -> Text:
        of = _of(about)
        said = {name: "; ".join(value) if isinstance(value, list) else value for name, value in body.items()}
        words = {name: choice[body[name]] for name, choice in choices.items()}
        in_vi, in_en = ({name: getattr(word, lang) for name, word in words.items()} for lang in ("vi", "en"))
        if "due" in said:
            in_vi["due"], in_en["due"] = show_time(said["due"]), show_time_en(said["due"])
        return Text(
            vi.format_map({**said, **in_vi, "of": of.vi}),
            en.format_map({**said, **in_en, "of": of.en}),
        )

    return write


_OUTCOMES = {
    "granted": Text("đồng ý giải quyết", "granted"),
    "rejected": Text("không đồng ý giải quyết", "rejected"),
}
_METHODS = {
    "counter": Text("trực tiếp", "at the counter"),
    "post": Text("qua bưu chính công ích", "by post"),
    "online": Text("trực tuyến", "online"),
}
_KINDS = {
    "citizen": Text("công dân", "citizen"),
    "official": Text("cán bộ, công chức", "official"),
    "helper": Text("thành viên tổ công nghệ số cộng đồng", "helper of the community digital team"),
}


def _conflict_resolved(body: Mapping[str, Any], about: Subject) -> Text:
    chosen, of = body["chosen"][-8:], _of(about)
    return Text(
        f"Tôi giải quyết mâu thuẫn trong {of.vi}, chọn quyết định …{chosen}. Lý do: {body['reason']}",
        f"I settle the conflict in {of.en} in favour of decision …{chosen}. Reason: {body['reason']}",
    )


_STATEMENTS: Mapping[str, Writer] = {
    "dossier.submitted": _submitted,
    "dossier.accepted": _sentence(
        "Tôi tiếp nhận {of}, cấp mã {code}, hẹn trả kết quả trước {due}.",
        "I accept {of}, give it the code {code}, and set the result's due time to {due}.",
    ),
    "dossier.refused": _sentence(
        "Tôi từ chối tiếp nhận {of}. Lý do: {reason}", "I do not accept {of}. Reason: {reason}"
    ),
    "dossier.forwarded": _sentence("Tôi chuyển {of} đến {to}.", "I hand {of} on to {to}."),
    "dossier.supplement_requested": _sentence(
        "Tôi yêu cầu bổ sung {of}: {items}. Lý do: {reason}", "I ask for more papers in {of}: {items}. Reason: {reason}"
    ),
    "dossier.supplemented": _sentence("Tôi bổ sung {of}.", "I add to {of}."),
    "dossier.withdrawn": _sentence("Tôi xin rút {of}. Lý do: {reason}", "I withdraw {of}. Reason: {reason}"),
    "dossier.stopped": _sentence(
        "Tôi dừng giải quyết {of}. Lý do: {reason}", "I stop the processing of {of}. Reason: {reason}"
    ),
    "dossier.resolved": _sentence(
        "Tôi kết thúc xử lý {of}, kết quả: {outcome}. {summary}",
        "I finish {of}, outcome: {outcome}. {summary}",
        outcome=_OUTCOMES,
    ),
    "dossier.returned": _sentence(
        "Tôi đã trả kết quả {of} {method} cho {receiver}.",
        "I handed over the result of {of} {method} to {receiver}.",
        method=_METHODS,
    ),
    "dossier.commented": _sentence("Tôi ghi ý kiến vào {of}: {text}", "I comment on {of}: {text}"),
    "dossier.conflict_resolved": _conflict_resolved,
    "enrol.approved": _sentence(
        "Tôi đã kiểm tra giấy tờ tùy thân và xác nhận {name} ({kind}) giữ khóa này.",
        "I have checked the identity papers and confirm that {name} ({kind}) holds this key.",
        kind=_KINDS,
    ),
}
