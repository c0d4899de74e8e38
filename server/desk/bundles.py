"""The desk's page "USB": choose whom a stick is for, see what would go, write it, take in what came, watch both.

A page may name only a stick that is offered (`server.bundles.media`), never any other place on this machine. The work
runs in a thread of the node; the page asks every second how it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from server.bundles import Ledger, media, preview_export
from server.bundles.exporting import Exported, Preview
from server.bundles.importing import Imported
from server.bundles.job import Jobs, JobState
from server.bundles.ledger import TakenPart, Written
from server.desk.translate import Translator, bytes_text, time_text
from server.desk.visit import Visit
from server.dossier import units
from server.dossier.times import format_time
from server.errors import Refused
from server.node.assembly import Node

_LISTED = 10
_COMPLAINTS = 8
_FAULTS = ("full", "stick_full", "read_only", "unplugged", "failed", "no_medium", "no_recipient", "storage_full")


def add_usb_pages(
    desk: Blueprint, node: Node, visit: Callable[[], Visit], show: Callable[..., str], is_fragment: Callable[[], bool]
) -> None:
    """Add `/desk/usb` and what its forms post to."""
    jobs = Jobs(node)

    def name_of(unit: str) -> str:
        described = node.model.units().describe(unit, format_time(node.clock.now()))
        return described.name if described else unit

    def chosen(values: Mapping[str, str]) -> tuple[str, media.Stick]:
        """Return the unit and stick a form names. Raises `Refused` for what is not offered."""
        stick = next((each for each in media.find_sticks() if str(each.path) == values.get("stick")), None)
        if stick is None:
            raise Refused("no_medium", visit().t("usb.gone"))
        return values.get("to", ""), stick

    @desk.get("/usb")
    def usb() -> str:
        who = visit()
        values = {
            "job": build_job(jobs.state(), name_of, who.t),
            "sticks": [build_stick(each, who.t) for each in media.find_sticks()],
            "units": [{"code": each, "name": name_of(each)} for each in destinations(node)],
            "preview": None,
            "fault": "",
            "to": request.args.get("to", ""),
            "stick": request.args.get("stick", ""),
        }
        if not is_fragment():
            values |= history(who.t)
        if values["to"] and not values["job"]:
            try:
                to, stick = chosen(request.args)
                preview = preview_export(node, to=to, path=stick.path, full="full" in request.args)
                values["preview"] = build_preview(preview, stick, name_of(to), "full" in request.args, who.t)
            except Refused as exc:
                values["fault"] = exc.reason
        return show("desk/_usb.html" if is_fragment() else "desk/usb.html", "usb", who, **values)

    def history(t: Translator) -> dict[str, Any]:
        ledger = Ledger(node.db, node.store.uuid)
        return {
            "written": [build_written(each, name_of, t) for each in ledger.written(limit=_LISTED)],
            "taken": [build_taken(each, name_of, t) for each in ledger.taken_parts(limit=_LISTED)],
            "kept": len(ledger.kept()),
        }

    @desk.post("/usb/export")
    def usb_export() -> AnyResponse:
        visit()
        to, stick = chosen(request.form)
        jobs.export(to=to, stick=stick.path, full="full" in request.form)
        return redirect(url_for("desk.usb"))

    @desk.post("/usb/import")
    def usb_import() -> AnyResponse:
        visit()
        _, stick = chosen(request.form)
        jobs.take_in(stick=stick.path)
        return redirect(url_for("desk.usb"))

    @desk.post("/usb/dismiss")
    def usb_dismiss() -> AnyResponse:
        visit()
        jobs.dismiss()
        return redirect(url_for("desk.usb"))


def destinations(node: Node) -> list[str]:
    """Return the units a stick may go to: those above, nearest first, then those below that have databases here."""
    above = list(units.path_of(node.unit)[1:])
    owners = {owner for name in node.store.names() if (owner := units.unit_of_database(name))}
    below = sorted(owner for owner in owners if owner != node.unit and units.is_within(owner, node.unit))
    return [*above, *below]


def build_stick(stick: media.Stick, t: Translator) -> dict[str, Any]:
    """Return what is shown of one stick."""
    used = stick.total - stick.free
    return {
        "path": str(stick.path),
        "label": stick.label,
        "room": t("usb.room", free=size_text(stick.free), total=size_text(stick.total)),
        "percent": used * 100 // stick.total if stick.total else 100,
        "writable": stick.writable,
    }


def build_preview(preview: Preview, stick: media.Stick, name: str, full: bool, t: Translator) -> dict[str, Any]:
    """Return what would go to a unit."""
    outlook = preview.outlook
    return {
        "name": name,
        "stick": str(stick.path),
        "label": stick.label,
        "full": full,
        "since": time_text(preview.since) if preview.since and not preview.is_full else t("usb.since.start"),
        "dossiers": outlook.dossiers,
        "events": outlook.events,
        "files": outlook.files,
        "size": size_text(outlook.bytes),
        "free": size_text(preview.free or 0),
        "tight": outlook.bytes > (preview.free or 0),
        "empty": outlook.is_empty,
        "known": preview.has_recipient,
    }


def build_job(job: JobState | None, name_of: Callable[[str], str], t: Translator) -> dict[str, Any] | None:
    """Return how the present or last job stands, None if there is none to speak of."""
    if job is None:
        return None
    title = t("usb.exporting", unit=name_of(job.unit)) if job.kind == "export" else t("usb.importing")
    shown = {
        "title": title,
        "running": job.running,
        "percent": min(99 if job.running else 100, job.done * 100 // job.total) if job.total else 0,
        "amount": t("usb.amount", done=size_text(job.done), total=size_text(job.total)),
        "stick": job.stick.name,
        "error": t(f"usb.error.{job.word if job.word in _FAULTS else 'other'}", unit=name_of(job.unit)),
        "details": job.error,
        "lines": [],
        "problems": [],
        "more": 0,
        "safe": not job.running,
    }
    if job.exported is not None:
        shown |= _exported(job.exported, t)
    if job.imported is not None:
        shown |= _imported(job.imported, name_of, t)
    return shown


def _exported(done: Exported, t: Translator) -> dict[str, Any]:
    if not done.parts:
        lines = [t("usb.nothing")]
    else:
        lines = [t("usb.written", dossiers=done.dossiers, size=size_text(done.bytes), files=len(done.parts))]
        if not done.is_whole:
            lines.append(t("usb.too_small"))
    if done.relayed:
        lines.append(t("usb.relayed_out", count=len(done.relayed)))
    return {"lines": lines}


def _imported(done: Imported, name_of: Callable[[str], str], t: Translator) -> dict[str, Any]:
    lines = [t("usb.introduced", unit=name_of(unit)) for unit in done.introduced]
    lines.append(t("usb.taken", documents=done.stored, files=done.parts) if done.parts else t("usb.none_for_us"))
    if done.acknowledged:
        lines.append(t("usb.acknowledged", count=done.acknowledged))
    if done.relayed:
        lines.append(t("usb.relayed_in", count=len(done.relayed)))
    if done.refused:
        lines.append(t("usb.refused", count=done.refused))
    if done.damaged:
        lines.append(t("usb.damaged", count=done.damaged))
    return {
        "lines": lines,
        "problems": done.problems[:_COMPLAINTS],
        "more": max(0, len(done.problems) - _COMPLAINTS),
    }


def build_written(each: Written, name_of: Callable[[str], str], t: Translator) -> dict[str, Any]:
    """Return a line about a bundle that was written."""
    if each.acknowledged:
        state, tag = t("usb.state.arrived", when=time_text(each.acknowledged)), "tag--good"
    elif each.state == "written":
        state, tag = (t("usb.state.waits"), "tag--wait") if each.documents else (t("usb.state.word"), "tag--info")
    else:
        state, tag = t(f"usb.state.{each.state}"), "tag--bad" if each.state == "failed" else "tag--wait"
    return {
        "unit": name_of(each.unit),
        "seq": each.seq,
        "when": time_text(each.created),
        "dossiers": each.dossiers,
        "size": size_text(each.bytes),
        "state": state,
        "tag": tag,
    }


def build_taken(each: TakenPart, name_of: Callable[[str], str], t: Translator) -> dict[str, Any]:
    """Return a line about a part that was taken in."""
    return {
        "unit": name_of(each.unit),
        "seq": each.seq,
        "part": each.part,
        "when": time_text(each.taken),
        "state": t("usb.state.damaged", count=each.damaged) if each.damaged else t("usb.state.whole"),
        "tag": "tag--bad" if each.damaged else "tag--good",
    }


def size_text(size: int) -> str:
    """Return a size for people, gigabytes too: "1,4 MB", "28,9 GB"."""
    gib = 1024**3
    return f"{size / gib:.1f} GB".replace(".", ",") if size >= gib else bytes_text(size)
