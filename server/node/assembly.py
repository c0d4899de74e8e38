"""A node: its parts, told of one another's news, and their life.

    parts      what there is, put together along a dossier's way (`server.node.parts`)
    news       which part hears of what (`server.node.news`)
    life       in which order they begin and end (`server.node.life`)

One dossier's way through them, from a phone or a link:

    access ─► intake ─► log, store ·news·► read model ·news·► receipts, papers ─► intake
    (who may)  (checks)  (durable)          (folds)    ·news·► sync, feed: neighbours and phones are sent it
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from wsgiref.types import WSGIApplication

from server.clocks.clock import system_now
from server.clocks.jumps import Uptime, system_uptime
from server.home import Home
from server.node.life import Life
from server.node.news import spread_news
from server.node.parts import Parts
from server.node.servertls import ServerTls


class Node(Parts):
    """One node, open. Nothing runs until `start`; commands use the parts without it.

    Raises `NotReady` while the unit's CA is not signed.
    """

    def __init__(
        self,
        home: Home,
        *,
        now: Callable[[], datetime] = system_now,
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        super().__init__(home, now, uptime)
        with ExitStack() as failing:
            failing.callback(self.opened.close)
            spread_news(self)
            self.life = Life(self)
            self.errands = self.life.errands
            self.life.prepare()
            failing.pop_all()

    def start(
        self,
        app: WSGIApplication,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        sync: bool = True,
        certificate: Path | None = None,
        key: Path | None = None,
        tls: ServerTls | None = None,
    ) -> str:
        """Serve `app` (`server.api.create_app` of this node), run everything, and return the address.

        With `certificate` and `key` (PEM files, made for the name browsers use) it speaks TLS; with `tls` it does so
        under a certificate of the unit's own CA.

        Raises `Refused` for a certificate that cannot be issued, `NotReady` if another process serves this home,
        `OSError` if the port is taken.
        """
        return self.life.start(app, host=host, port=port, sync=sync, certificate=certificate, key=key, tls=tls)

    def stop(self) -> None:
        """Stop everything, the network first, and close all files. Nothing acknowledged depends on it."""
        self.life.stop()

    def close(self) -> None:
        """Close all files of a node that was not started."""
        self.life.close()
