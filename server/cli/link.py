"""`tram link`: the node's neighbours, what each link may carry and when, and how it stands."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from server.cli.common import Commands, add_command, add_home, open_node, print_table
from server.dossier import units
from server.errors import Missing, Refused
from server.home import read_bounded
from server.links.allowance import (
    ClassRule,
    Kind,
    LinkRules,
    Verdict,
    describe_rules,
    parse_bytes,
    parse_hours,
    parse_offset,
)
from server.links.neighbours import MAX_CA_CHARS, Neighbour, Trust, default_trust
from server.links.tls import build_ca_context, is_readable_on_the_way, parse_pin


def register(commands: Commands) -> None:
    """Add the commands. A running server follows within two seconds."""
    sub = commands.add_parser("link", help="neighbours: add, list, show, set, pause, resume, remove").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = add_command(sub, "add", _add, help="add a neighbour, or change its address")
    parser.add_argument("name", help='a name for the link; the node above is "parent"')
    parser.add_argument("url", help="such as https://10.0.0.1:8443")
    parser.add_argument("--child", action="store_true", help="a node below this one, to be pulled from")
    parser.add_argument(
        "--pin", metavar="SHA256", help="believe the TLS certificate with this thumbprint alone; tram link thumbprint"
    )
    parser.add_argument("--unit", metavar="CODE", default="", help="the one unit whose node may answer over https")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="believe these authorities and the address's own name")
    parser.add_argument("--public", action="store_true", help="believe what this system believes: a public host name")
    parser.add_argument(
        "--insecure-lan",
        action="store_true",
        help="allow plain http to another machine: everybody on the way can read dossiers and the tokens that open this"
        " node's databases for five minutes; nobody can alter a dossier unnoticed",
    )
    parser = sub.add_parser("thumbprint", help="the thumbprint of a certificate file, to be told to the other node")
    parser.add_argument("certificate", type=Path, metavar="PEM")
    parser.set_defaults(run=_thumbprint)
    add_command(sub, "list", _list, help="the links and how they stand")
    _register_set(sub)
    for word, say, run in (
        ("show", "one link: what waits, what it may carry, what it carried today", _show),
        ("remove", "forget a link; what it brought stays", _remove),
    ):
        parser = sub.add_parser(word, help=say)
        add_home(parser)
        parser.add_argument("name")
        parser.set_defaults(run=run)
    parser = add_command(
        sub,
        "push-first",
        _push_first,
        help="send a dossier before all others; --undo takes it back; without one: those that go first",
    )
    parser.add_argument("dossier", nargs="?", help="its code or its stream id")
    parser.add_argument("--undo", action="store_true")
    for word, paused in (("pause", True), ("resume", False)):
        parser = sub.add_parser(word, help=f"{word} a link")
        add_home(parser)
        parser.add_argument("name")
        parser.set_defaults(run=_pause, paused=paused)


def _register_set(sub: Commands) -> None:
    parser = sub.add_parser(
        "set",
        help="hours and daily limits of a link",
        description="What is not named stays as it is. Sizes: 128M, 1,5G, none (1 K = 1024 bytes, both ways together)."
        " Hours: 20:00-06:00, several with commas, any. Events go on when the daily limit is reached, up to a cap of"
        " their own (--events-daily, as large as --daily unless set).",
    )
    add_home(parser)
    parser.add_argument("name")
    parser.add_argument("--daily", metavar="SIZE", help="everything on this link, per day")
    for kind in Kind:
        parser.add_argument(f"--{kind}-hours", metavar="HOURS", help=f"when {_MEANING[kind]} may travel")
        parser.add_argument(f"--{kind}-daily", metavar="SIZE", help=f"{_MEANING[kind]}, per day")
    parser.add_argument("--utc-offset", metavar="±HH:MM", help="whose hours and midnight; +07:00 unless set")
    parser.set_defaults(run=_set)


_MEANING = {
    Kind.EVENTS: "dossiers' events and everything small",
    Kind.PREVIEWS: "previews of photographs",
    Kind.FILES: "photographs and scans",
}


def _add(arguments: argparse.Namespace) -> int:
    if is_readable_on_the_way(arguments.url) and not arguments.insecure_lan:
        raise Refused(
            "bad_link",
            f"{arguments.url} is plain http to another machine: everybody on the way could read dossiers. Use https"
            " (with --pin for a certificate of your own), or say --insecure-lan for a network you trust",
        )
    with open_node(arguments.home) as node:
        node.links.put(_neighbour(arguments))
    print(f"link {arguments.name}: {arguments.url}")
    return 0


def _neighbour(arguments: argparse.Namespace) -> Neighbour:
    """Return the link of a command line. Raises `Refused` for more than one kind of trust, or a file that is none."""
    if sum((bool(arguments.pin), bool(arguments.ca), arguments.public, bool(arguments.unit))) > 1:
        raise Refused("bad_link", "say one of --unit, --pin, --ca and --public: each says whom alone to believe")
    trust: Trust = "ca" if arguments.ca else "system" if arguments.public else default_trust(arguments.url)
    if (arguments.ca or arguments.unit) and default_trust(arguments.url) != "tree":
        raise Refused("bad_link", f"--ca and --unit need https, the address is {arguments.url}")
    ca = read_bounded(arguments.ca, MAX_CA_CHARS).decode("ascii", "replace") if arguments.ca else ""
    if ca:
        build_ca_context(ca)
    return Neighbour(
        arguments.name,
        arguments.url,
        "child" if arguments.child else "parent",
        pin=parse_pin(arguments.pin) if arguments.pin else "",
        trust=trust,
        unit=units.parse_unit_code(arguments.unit) if arguments.unit else "",
        ca=ca,
    )


def _thumbprint(arguments: argparse.Namespace) -> int:
    try:
        certificate = x509.load_pem_x509_certificate(arguments.certificate.read_bytes())
    except ValueError as exc:
        raise Refused("bad_certificate", f"{arguments.certificate} holds no certificate in PEM") from exc
    print(certificate.fingerprint(hashes.SHA256()).hex())
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        rows = [
            (
                status.neighbour.name,
                status.neighbour.role,
                status.neighbour.url,
                "paused" if status.neighbour.paused else (status.last_error or "well"),
                status.last_success or "never",
                " ".join(f"{name}={value}" for name, value in describe_rules(status.rules)) or "no limits",
            )
            for status in node.sync.status()
        ]
    print_table(("name", "role", "address", "state", "last success", "rules"), rows)
    return 0


def _set(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        before = node.links.rules(arguments.name)
        rules = _changed(before, arguments)
        if rules == before and not any(getattr(arguments, name) is not None for name in _OPTIONS):
            raise Refused("bad_rule", "name what to set, such as --files-hours 20:00-06:00 --daily 128M")
        node.links.set_rules(arguments.name, rules, by="tram link set", at=node.clock.now())
    print(f"link {arguments.name}: {_rules_text(rules)}")
    return 0


_OPTIONS = ("daily", "utc_offset", *(f"{kind}_{what}" for kind in Kind for what in ("hours", "daily")))


def _changed(rules: LinkRules, arguments: argparse.Namespace) -> LinkRules:
    """Return the rules with what the command line names. Raises `Refused("bad_rule")`."""
    for kind in Kind:
        hours, daily = getattr(arguments, f"{kind}_hours"), getattr(arguments, f"{kind}_daily")
        old = rules.of(kind)
        rule = ClassRule(
            old.hours if hours is None else parse_hours(hours), old.daily if daily is None else parse_bytes(daily)
        )
        rules = rules.with_class(kind, rule)
    if arguments.daily is not None:
        rules = replace(rules, daily=parse_bytes(arguments.daily))
    if arguments.utc_offset is not None:
        rules = replace(rules, utc_offset_minutes=parse_offset(arguments.utc_offset))
    return rules


def _rules_text(rules: LinkRules) -> str:
    return ", ".join(f"{name} {value}" for name, value in describe_rules(rules)) or "no limits"


def _show(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.links.get(arguments.name)
        status = next(each for each in node.sync.status() if each.neighbour.name == arguments.name)
    print(f"{arguments.name}: {status.neighbour.role} {status.neighbour.url}")
    print(f"state: {'paused' if status.neighbour.paused else status.last_error or 'well'} since {status.since or '-'}")
    print(f"last success: {status.last_success or 'never'}")
    print(f"rules: {_rules_text(status.rules)}")
    print(f"refused documents: {status.refusals}")
    rows = [(kind.kind, kind.used_today, _verdict_text(kind.verdict)) for kind in status.kinds]
    print_table(("class", "bytes today", "may travel now"), rows)
    return 0


def _verdict_text(verdict: Verdict) -> str:
    return "yes" if verdict.open else f"no ({verdict.why}), in {_span(verdict.wait_s)}"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _push_first(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        if arguments.dossier:
            node.model.follower.catch_up()
            row = node.model.queries.dossier(arguments.dossier)
            row = row or next(iter(node.model.queries.by_code(arguments.dossier)), None)
            if row is None:
                raise Missing(f"there is no dossier {arguments.dossier[:80]} here; name its code or its stream id")
            if arguments.undo:
                node.firsts.remove(row.stream)
            else:
                node.firsts.add(row.stream, by="tram link push-first", at=node.clock.now())
        rows = [
            (place, first.stream, getattr(node.model.queries.dossier(first.stream), "code", "") or "-", first.by)
            for place, first in enumerate(node.firsts.all(), 1)
        ]
    print_table(("place", "dossier", "code", "asked for by"), rows)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.links.remove(arguments.name)
    print(f"link {arguments.name} is removed; add it again with: tram link add {arguments.home} {arguments.name} …")
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        node.links.set_paused(arguments.name, arguments.paused)
    print(f"link {arguments.name} is {'paused' if arguments.paused else 'on'}")
    return 0
