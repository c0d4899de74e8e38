"""Many open files: a server allows itself what it may have, and sockets are waited for whatever their numbers."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from replication.peers.readiness import wait_ready
from replication.replicator.alarm import Alarm

HIGH = 1100  # `select` takes none above 1023


@pytest.fixture
def high_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets with numbers that only a process with many files has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < HIGH + 100:
        pytest.skip(f"this system lets a process open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, HIGH + 100), hard))
    try:
        with ExitStack() as stack:
            used = stack.enter_context(socket.socket())
            while used.fileno() < HIGH:
                used = stack.enter_context(used.dup())
            pair = socket.socketpair()
            stack.enter_context(pair[0])
            stack.enter_context(pair[1])
            assert min(each.fileno() for each in pair) > 1023
            yield pair
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_sockets_with_high_numbers_are_waited_for(high_pair: tuple[socket.socket, socket.socket]) -> None:
    """A province's node has that many files open, and its links must run."""
    ours, theirs = high_pair
    assert wait_ready([ours], [], 0) == (set(), set())
    assert wait_ready([ours], [ours], 0) == (set(), {ours.fileno()})
    theirs.send(b"!")
    assert wait_ready([ours], [ours], 0) == ({ours.fileno()}, {ours.fileno()})
    alarm = Alarm()
    alarm.open()
    alarm.ring()
    alarm.wait(10)
    assert wait_ready([alarm], [], 0) == (set(), set())
    alarm.close()


def test_an_end_of_the_other_side_can_be_read() -> None:
    """A hang-up is news for whoever reads, and no socket is forgotten beside another."""
    ours, theirs = socket.socketpair()
    quiet, other = socket.socketpair()
    theirs.close()

    assert wait_ready([quiet, ours], [], 5)[0] == {ours.fileno()}
    ours.close()
    with pytest.raises(ValueError, match="descriptor"):
        wait_ready([ours], [], 0)
    quiet.close()
    other.close()


SERVE = """
import resource
from replication.serving import Server
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
with Server(lambda _environ, _start: [], port=0):
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_server_may_open_all_the_files_that_the_system_lets_it() -> None:
    """Shells allow 1,024; a process that serves goes up to its hard limit by itself."""
    done = subprocess.run([sys.executable, "-c", SERVE], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "(512, 512)"
