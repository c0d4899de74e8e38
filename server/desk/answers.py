"""A form's answers as people read them: labels for field ids, names for values of lists, dates day first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.desk.translate import Translator
from server.dossier.procedure import Procedure


def build_answers(form: Mapping[str, str], procedure: Procedure | None, t: Translator) -> list[dict[str, str]]:
    """Return {"label", "value"} of every answer in the form's order; what it no longer asks comes last, as it is."""
    fields = procedure.value["form"]["fields"] if procedure else []
    lists = procedure.value.get("lists", {}) if procedure else {}
    asked = [field for field in fields if field["id"] in form]
    known = {field["id"] for field in asked}
    answers = [
        {"label": t.pick(**field["label"]), "value": _read(form[field["id"]], field, lists, t)} for field in asked
    ]
    return answers + [{"label": name, "value": value} for name, value in form.items() if name not in known]


def _read(value: str, field: Mapping[str, Any], lists: Mapping[str, Any], t: Translator) -> str:
    if field["type"] == "date":
        year, _, rest = value.partition("-")
        month, _, day = rest.partition("-")
        return f"{day}/{month}/{year}" if day else value
    for option in field.get("options") or lists.get(field.get("options_list", ""), ()):
        if option["value"] == value:
            return t.pick(option["vi"], option["en"])
    return value
