"""`tram ca`, the part between units: requests over USB or the link, approving them, new generations of a key."""

from __future__ import annotations

import argparse
import ssl
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from crypto import keys
from server.cli.common import Commands, add_home, open_node, print_table
from server.errors import Clash, Missing, NotReady, Refused
from server.home import Home, read_bounded, write_atomically
from server.home.token import TokenKey
from server.lock import locked
from server.pki.generations import begin, finish_root, is_root, roll_root, trust_root, write_root
from server.pki.request import (
    MAX_CHAIN,
    MAX_REQUEST_BYTES,
    build_request,
    build_rollover_request,
    describe,
    install_answer,
    parse_request,
)

if TYPE_CHECKING:  # see `server.cli.common`: what opens no node starts without it
    from server.node.assembly import Node
    from server.pki.requests import Asked

_MAX_ANSWER_BYTES = MAX_CHAIN * 4096
_PROBE = ec.ECDSA(hashes.SHA256())


def register(sub: Commands) -> None:
    """Add the commands to the group `tram ca`."""
    parser = sub.add_parser("request", help="ask the unit above for a CA certificate: into a file, or over the link")
    add_home(parser)
    parser.add_argument("file", type=Path, nargs="?", help="carry it to the unit above")
    parser.add_argument("--send", metavar="URL", nargs="?", const="", help="send it there; without URL to the parent")
    _add_pin(parser)
    parser.set_defaults(run=_request, build=build_request)
    parser = sub.add_parser("fetch", help="fetch the certificate that was asked for over the link, and install it")
    add_home(parser)
    parser.add_argument("--from", dest="url", default="", metavar="URL", help="the parent's address, if not at hand")
    _add_pin(parser)
    parser.set_defaults(run=_fetch)
    parser = sub.add_parser("pending", help="requests of units below that wait for somebody's word")
    add_home(parser)
    parser.set_defaults(run=_pending)
    parser = sub.add_parser("approve", help="issue the certificate a unit below asked for over the link")
    add_home(parser)
    parser.add_argument("unit")
    parser.add_argument("--code", help="the six digits that unit's office reads out; none for a key it vouches for")
    parser.set_defaults(run=_approve)
    parser = sub.add_parser("refuse", help="refuse what a unit below asked for over the link")
    add_home(parser)
    parser.add_argument("unit")
    parser.add_argument("--code", required=True, help="the digits of the request that is refused")
    parser.add_argument("--reason", required=True)
    parser.set_defaults(run=_refuse)
    parser = sub.add_parser("sign", help="sign a unit's request from a file; OUT goes back to it")
    add_home(parser)
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--code", help="the six digits `tram ca request` printed, read out by the unit's office")
    parser.set_defaults(run=_sign)
    parser = sub.add_parser("install", help="check what came back from the unit above, and start using it")
    add_home(parser)
    parser.add_argument("file", type=Path)
    parser.set_defaults(run=_install)
    parser = sub.add_parser("rollover", help="give the CA its next key; what the old one issued stays good to its end")
    add_home(parser)
    parser.add_argument("file", type=Path, nargs="?", help="the request for the unit above; a root needs none")
    parser.add_argument("--send", metavar="URL", nargs="?", const="", help="send it there; without URL to the parent")
    _add_pin(parser)
    parser.add_argument("--ca-token", default="", metavar="URI", help="make the next key in this PKCS#11 token")
    parser.add_argument("--finish", action="store_true", help="a root: trust the new key alone, once all below do")
    parser.set_defaults(run=_rollover, build=build_rollover_request)
    parser = sub.add_parser("token", help="say whether the PKCS#11 token of a home answers and signs")
    add_home(parser)
    parser.set_defaults(run=_token)
    parser = sub.add_parser("trust", help="trust the next generation of the root, which the present one vouches for")
    add_home(parser)
    parser.add_argument("file", type=Path, help="the new root as PEM")
    parser.set_defaults(run=_trust)


def _add_pin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pin", metavar="SHA256", help="over https believe this one certificate; there: tram link thumbprint PEM"
    )


def _request(arguments: argparse.Namespace) -> int:
    """Write or send a request; `arguments.build` makes it (a first one, or one for a rollover)."""
    if (arguments.file is None) == (arguments.send is None):
        raise Refused("bad_request", "give a FILE to carry, or --send to send it over the link")
    home = Home.open(arguments.home)
    if is_root(home):
        raise Refused(
            "bad_request", f"{home.unit} is the root of its tree and asks nobody; next: tram serve {home.path}"
        )
    data = arguments.build(home, datetime.now(UTC))
    if arguments.file is not None:
        write_atomically(arguments.file, data, mode=0o644)
        print(f"{arguments.file}: take it to the unit above, and read these digits out to them")
    else:
        url = _parent(home, arguments.send)
        asked = {"request": data.decode("ascii").strip()}
        _call(home, arguments.pin, url, "POST", "/api/ca-requests", asked)
        print(f"sent to {url}; read these digits out to them, then: tram ca fetch {arguments.home}")
    print(f"code: {parse_request(data).code}")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    key = home.next_ca_key() if home.has_next_ca_key() else home.ca_key()
    thumbprint = keys.thumbprint(key.public_key())
    said = _call(home, arguments.pin, _parent(home, arguments.url), "GET", f"/api/ca-requests/{thumbprint}")
    if said.get("state") == "refused":
        raise Refused("bad_request", f"the unit above refused: {str(said.get('reason'))[:500]}")
    if said.get("state") != "issued":
        raise NotReady("nobody at the unit above has approved it yet; they see it with: tram ca pending DIR")
    return _take(home, str(said.get("answer", "")).encode("ascii", "replace"))


def _pending(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        rows = [
            (
                each.request.unit,
                each.request.name,
                each.asked[:16],
                each.request.generation,
                "the unit's present CA key" if each.vouched else "nobody: compare the digits by telephone",
            )
            for each in node.unit_requests.pending()
        ]
    if not rows:
        print("nothing waits")
        return 0
    print_table(("unit", "name", "asked", "generation", "vouched for by"), rows)
    print("next: tram ca approve DIR UNIT --code DIGITS")
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        asked = _chosen(node, arguments.unit, arguments.code)
        node.unit_requests.approve(asked.request.thumbprint, node.clock.now())
    print(f"{asked.request.unit} has its certificate; next, there: tram ca fetch DIR")
    return 0


def _refuse(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node:
        asked = _chosen(node, arguments.unit, arguments.code)
        node.unit_requests.refuse(asked.request.thumbprint, arguments.reason, node.clock.now())
    print(f"the request of {asked.request.unit} is refused; they see why with: tram ca fetch DIR")
    return 0


def _chosen(node: Node, unit: str, code: str | None) -> Asked:
    """Return the one waiting request of `unit` that the digits name, or the only one its present key vouches for."""
    waiting = node.unit_requests.of_unit(unit)
    if not waiting:
        raise Missing(f"nothing of {unit[:40]} waits here; see: tram ca pending {node.home.path}")
    if code is None:
        vouched = [each for each in waiting if each.vouched]
        if len(vouched) != 1:
            raise Refused("bad_request", "call the office, have the six digits read out, and give them with --code")
        return vouched[0]
    named = [each for each in waiting if each.request.code == code.replace(" ", "")]
    if len(named) > 1:
        raise Clash("two requests bear these digits; have the unit ask again with a new key")
    if not named:
        raise Refused("bad_request", f"no request of {unit} has these digits; somebody else may have asked in its name")
    return named[0]


def _sign(arguments: argparse.Namespace) -> int:
    data = read_bounded(arguments.file, MAX_REQUEST_BYTES)
    with open_node(arguments.home) as node:
        asked = node.unit_requests.ask(data, node.clock.now())
        if asked.state == "pending" and not asked.vouched:
            _compare(asked, arguments.code)
        answer = node.unit_requests.approve(asked.request.thumbprint, node.clock.now()).answer
    assert answer is not None  # `approve` issued it
    write_atomically(arguments.out, answer, mode=0o644)
    print(f"{arguments.out}: the certificate of {asked.request.unit}; take it back there")
    print(f"next, there: tram ca install DIR {arguments.out.name}")
    return 0


def _compare(asked: Asked, code: str | None) -> None:
    """Have somebody say that the request is the office's own, not one that was swapped on the way."""
    unit = asked.request.unit
    if code is None and sys.stdin.isatty():
        print(f"{unit} ({asked.request.name}) asks for a CA certificate.")
        code = input("The six digits their office reads out: ")
    if code is None:
        raise Refused("bad_request", "call the office, have the six digits read out, and give them with --code")
    if code.replace(" ", "") != asked.request.code:
        raise Refused("bad_request", f"the digits are not {unit}'s: this file was made with another key")


def _install(arguments: argparse.Namespace) -> int:
    return _take(Home.open(arguments.home), read_bounded(arguments.file, _MAX_ANSWER_BYTES))


def _take(home: Home, answer: bytes) -> int:
    with locked(home.path):  # a running node holds the chain it began with
        authority = install_answer(home, answer, datetime.now(UTC))
    print(f"{home.unit} can issue certificates and sign")
    print(f"root: {describe(authority.chain[-1])}")
    print(f"next: tram serve {home.path}")
    return 0


def _rollover(arguments: argparse.Namespace) -> int:
    home = Home.open(arguments.home)
    if arguments.ca_token:
        begin(home, arguments.ca_token)
    if not is_root(home):
        if arguments.finish:
            raise Refused("not_root", "only a root's overlap is ended by hand; others end with their certificates")
        return _request(arguments)
    with locked(home.path):
        if arguments.finish:
            finish_root(home, datetime.now(UTC))
            print(f"{home.unit}: the new root stands alone")
            return 0
        root = roll_root(home, datetime.now(UTC))
    print(f"new root: {describe(root)}")
    print(f"it is in {write_root(home, root)}: carry it to the units below, and there: tram ca trust DIR FILE")
    print(f"they go on without it until the old root ends; next: tram serve {home.path}")
    return 0


def _token(arguments: argparse.Namespace) -> int:
    """Sign something with the CA key, wherever it is, and check it against the certificate."""
    home = Home.open(arguments.home)
    key, chain = home.ca_key(), home.chain()
    probe = b"tram ca token probe"
    key.public_key().verify(key.sign(probe, _PROBE), probe, _PROBE)
    where = "in its token" if isinstance(key, TokenKey) else f"in {home.path / 'keys'}"
    print(f"the CA key of {home.unit} is {where} and signs ({key.curve.name})")
    if chain and chain[0].public_key() != key.public_key():
        raise Refused("bad_key", "it is not the key of the installed CA certificate")
    return 0


def _trust(arguments: argparse.Namespace) -> int:
    with open_node(arguments.home) as node, locked(arguments.home):
        links = node.directory.certificates_of_authorities()
        root = trust_root(node.home, read_bounded(arguments.file, _MAX_ANSWER_BYTES), links, node.clock.now())
    print(f"trusted from now on: {describe(root)}")
    print(f"next: tram serve {arguments.home}")
    return 0


def _parent(home: Home, given: str) -> str:
    url = given or home.settings.parent or ""
    if not url:
        raise Refused("no_link", "this home knows no address of the unit above; give it: --send URL, --from URL")
    return url.rstrip("/")


def _call(home: Home, pin: str | None, url: str, method: str, target: str, value: Any = None) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises `NotReady` without a link or for whoever is not believed, `Refused`
    with what the node said."""
    from replication.errors import LinkError, ReplicationError  # here, for what travels as a file needs no network
    from server.links.meeting import fetch_answer

    try:
        answer = fetch_answer(url, method, target, value, tls=_tls(home, pin, url))
    except ValueError as exc:
        raise Refused("bad_link", str(exc)) from exc
    except LinkError as exc:
        raise NotReady(f"{exc}{_advice(home, str(exc))}") from exc
    except ReplicationError as exc:
        raise Refused("bad_request", str(exc)) from exc
    if not isinstance(answer, dict):
        raise NotReady(f"{url} does not answer as a node does")
    return answer


def _tls(home: Home, pin: str | None, url: str) -> ssl.SSLContext | None:
    """Return whom to believe over https: the pin; else whom the home's link to that address believes; else the tree,
    where the home knows it already; else, None, whom the system does."""
    from server.links.neighbours import Links, Neighbour, default_trust
    from server.links.tls import parse_pin
    from server.links.trust import build_context
    from server.nodedb import NodeDb

    believed = Neighbour("parent", url, "parent", trust=default_trust(url) if home.anchors() else "system")
    path = home.path / "node.db"
    if pin:
        believed = replace(believed, pin=parse_pin(pin), trust="pin")
    elif path.exists():
        with closing(NodeDb(path)) as db:
            believed = next((each for each in Links(db).all() if each.url == url), believed)
    return build_context(believed, home.unit, home.anchors())


def _advice(home: Home, trouble: str) -> str:
    """Return what to do where a new home, which knows no root yet, has met the tree's own TLS."""
    from server.links.troubles import explain_trouble

    if home.anchors() or explain_trouble(trouble).word != "stranger":
        return ""
    return (
        "\nThis home knows nobody of the tree yet. If the unit above runs tram serve --tls, have the thumbprint read"
        " out (there: tram link thumbprint DIR/certs/tls.pem) and give it with --pin; or carry the request as a file"
    )
