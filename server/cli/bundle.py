"""`tram bundle`: dossiers by USB stick, where there is no link."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from replication.bundle.writer import PART_BYTES
from server.bundles import (
    Exported,
    Imported,
    Ledger,
    Preview,
    export_bundle,
    import_bundle,
    introduction,
    keys,
    media,
    preview_export,
)
from server.bundles.ledger import Written
from server.cli.common import Commands, add_command, open_node, print_table
from server.cli.sizes import parse_size, size_text
from server.intake.places import REGISTRY

_BAR = 30
_SHOWN = 40


def register(commands: Commands) -> None:
    """Add the commands."""
    group = commands.add_parser("bundle", help="dossiers by USB stick: export, import, list")
    sub = group.add_subparsers(required=True, metavar="WHAT")
    parser = add_command(sub, "export", _export, help="write what a unit does not have yet onto a stick, sealed to it")
    parser.add_argument("path", metavar="PATH", type=Path, help="where the stick is mounted, such as /media/usb")
    parser.add_argument("--to", required=True, metavar="UNIT", help="the unit the stick goes to, such as H41.12")
    parser.add_argument("--max-size", type=parse_size, metavar="SIZE", help="take at most this much of the stick: 4G")
    parser.add_argument("--part-size", type=parse_size, default=PART_BYTES, metavar="SIZE", help="of one file (1G)")
    parser.add_argument("--full", action="store_true", help="everything, whatever was acknowledged before")
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and write nothing")
    parser = add_command(sub, "import", _import, help="take in what a stick, or one file, holds for this node")
    parser.add_argument("path", metavar="PATH", type=Path)
    parser.add_argument("--force", action="store_true", help="read again what was taken in before")
    add_command(sub, "list", _list, help="bundles written, whether they arrived, and those taken in")
    parser = add_command(sub, "introduce", _introduce, help="put this node's key on a stick, for nodes that lack it")
    parser.add_argument("path", metavar="PATH", type=Path)
    parser = add_command(
        sub, "recovery", _recovery, help="publish an age recipient that can open every bundle of this branch"
    )
    parser.add_argument("recipient", metavar="age1…", help="its secret key belongs on paper, in the safe")


def _export(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.model.follower.catch_up()
        preview = preview_export(node, to=arguments.to, path=arguments.path, full=arguments.full)
        _print_preview(preview)
        if arguments.dry_run:
            return 0
        exported = export_bundle(
            node,
            to=arguments.to,
            path=arguments.path,
            max_bytes=arguments.max_size,
            part_bytes=arguments.part_size,
            full=arguments.full,
            on_progress=Bar("writing"),
        )
    _print_exported(exported)
    return 0


def _print_preview(preview: Preview) -> None:
    outlook = preview.outlook
    since = "everything so far" if preview.is_full or not preview.since else f"since {preview.since}"
    print(
        f"for {preview.unit}, {since}: {outlook.dossiers} dossiers, {outlook.events} events, {outlook.files} files,"
        f" at most {size_text(outlook.bytes)}"
    )
    if preview.free is not None:
        print(f"free on the stick: {size_text(preview.free)}")
    if preview.free is not None and outlook.bytes > preview.free:
        print("that may not fit: events go first, then small files, then the rest; the next stick goes on from there")


def _print_exported(exported: Exported) -> None:
    for path in exported.relayed:
        print(f"{path.name}: carried on for another unit")
    if not exported.parts:
        print(f"{exported.unit} has everything; no bundle was written")
        return
    for part in exported.parts:
        print(f"{part.path}: {size_text(part.size)}, read back and equal")
    print(f"bundle {exported.seq} for {exported.unit}: {exported.dossiers} dossiers, {exported.documents} documents")
    if not exported.is_whole:
        print("the stick was too small for everything: the next bundle goes on after this one was acknowledged")
    for path in exported.removed:
        print(f"{path.name}: removed, the newer ones hold all of it")
    print("safe to remove. It can be deleted when the unit's next bundle, or a link, has acknowledged it")


def _import(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        found = import_bundle(node, arguments.path, on_progress=Bar("reading"), force=arguments.force)
    _print_imported(found)
    return 0 if found.is_clean else 1


def _print_imported(found: Imported) -> None:
    for unit in found.introduced:
        print(f"{unit} has introduced itself; bundles can be sealed to it now")
    for line in found.relayed:
        print(f"kept for another unit: {line}")
    for label, lines in (("note", found.notes), ("BAD", found.problems)):
        for line in lines[:_SHOWN]:
            print(f"{label}: {line}")
        if len(lines) > _SHOWN:
            print(f"{label}: and {len(lines) - _SHOWN} more")
    print(
        f"{found.parts} files read, {found.skipped} left alone: {found.stored} documents here, {found.refused} refused,"
        f" {found.damaged} frames unreadable, {len(found.whole)} bundles whole"
    )
    if found.acknowledged:
        print(f"{found.acknowledged} of our bundles are acknowledged by what came")
    if found.damaged:
        print("what could not be read is asked for again in the next bundle back, or over the next link")
    print("safe to remove")


def _list(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        ledger = Ledger(node.db, node.store.uuid)
        out = [
            (
                each.unit,
                each.seq,
                each.created,
                size_text(each.bytes),
                each.dossiers,
                _state(each),
            )
            for each in ledger.written()
        ]
        came = [
            (each.unit, each.seq, each.part, each.taken, "damaged" if each.damaged else "whole")
            for each in ledger.taken_parts()
        ]
        kept = [(each.source, each.target, each.name, each.expires, each.carried or "waits") for each in ledger.kept()]
    print_table(("to", "number", "written", "size", "dossiers", "state"), out)
    print()
    print_table(("from", "number", "part", "taken in", "state"), came)
    if kept:
        print()
        print_table(("from", "to", "kept for others", "expires", "carried on"), kept)
    return 0


def _state(each: Written) -> str:
    if each.acknowledged:
        return f"arrived {each.acknowledged}"
    return "not acknowledged yet" if each.state == "written" else each.state


def _introduce(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        path = introduction.write_introduction(node, media.open_folder(arguments.path))
    print(f"{path}: on the other node, run tram bundle import DIR {arguments.path}")
    return 0


def _recovery(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        keys.publish(node, (node.database, REGISTRY), arguments.recipient, "recovery")
        print(f"bundles of {node.unit} and all units below it are sealed to this recipient too, once they know of it")
    return 0


class Bar:
    """A progress bar on standard error, on a terminal only: done and total bytes."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        percent = min(100, done * 100 // total) if total else 100
        if percent == self._shown:
            return
        self._shown = percent
        filled = _BAR * percent // 100
        end = "\n" if percent == 100 else ""
        sys.stderr.write(
            f"\r{self._label} [{'#' * filled}{'.' * (_BAR - filled)}] {percent} % {size_text(done)}   {end}"
        )
        sys.stderr.flush()
