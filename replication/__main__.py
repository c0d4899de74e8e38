"""`python -m replication serve|sync|audit`: the bare server, the bare replicator and its audit."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from replication.http import OpenAccess, create_app
from replication.http.scripts import Scripts
from replication.javascript import Engine, is_installed
from replication.serving import Server, serve_loopback
from replication.store import Store


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["sync"]:
        # The replicator has its own options; it is loaded only where it runs.
        from replication.replicator import main as sync

        return sync(arguments[1:])
    if arguments[:1] == ["audit"]:
        from replication.audit.command import main as audit

        return audit(arguments[1:])
    options = _parser().parse_args(arguments)
    return serve(options.dir, options.host, options.port, options.couchdb)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m replication", description="The bare CouchDB-compatible server.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser(
        "serve",
        help="serve databases over the CouchDB protocol: no accounts, CORS open, loopback unless --host",
        epilog="Validation and filter functions of design documents run where the package quickjs-ng is installed, "
        "$regex of queries where google-re2 is.",
    )
    serving.add_argument("--dir", type=Path, required=True, help="directory of the embedded store; made if absent")
    serving.add_argument("--port", type=int, required=True, help="TCP port; 0 takes any free one")
    serving.add_argument("--host", help="address to listen on (default: 127.0.0.1, and ::1 where the machine has it)")
    serving.add_argument("--couchdb", metavar="URL", help="keep documents in this CouchDB instead of DIR")
    commands.add_parser("sync", help="replicate SOURCE to TARGET; see `sync --help`", add_help=False)
    commands.add_parser("audit", help="compare SOURCE and TARGET whole; see `audit --help`", add_help=False)
    return parser


def open_store(directory: Path, couchdb: str | None) -> Store:
    """Return the embedded store in `directory`, or the one that keeps everything in the CouchDB at that URL."""
    if couchdb is not None:
        from replication.couch import CouchStore

        return CouchStore(couchdb)
    from replication.sqlite import SqliteStore

    directory.mkdir(parents=True, exist_ok=True)
    return SqliteStore(directory)


def serve(directory: Path, host: str | None, port: int, couchdb: str | None) -> int:
    """Serve until SIGTERM or SIGINT, on both loopback addresses unless `host` names one. Return 1 for a taken port."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    store, engine = open_store(directory, couchdb), Engine()
    wrap = Scripts(engine).wrap if is_installed() else None
    try:
        app = create_app(OpenAccess(store, wrap))
        with serve_loopback(app, port=port) if host is None else Server(app, host=host, port=port) as server:
            print(f"CouchDB protocol at {server.url}", flush=True)
            ended.wait()
    except OSError as error:
        print(f"serve: port {port} cannot be listened on: {error}", file=sys.stderr)
        return 1
    finally:
        engine.close()
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
