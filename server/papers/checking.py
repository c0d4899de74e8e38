"""One PDF to the process apart and its verdict back, within bounds, whatever the PDF does to the child."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec

from server.dossier.times import format_time
from server.papers.verdict import PaperVerdict, parse_verdict

_LOG = logging.getLogger(__name__)
TIMEOUT_S = 20.0
MAX_ANSWER_BYTES = 256 * 1024


def is_installed() -> bool:
    """Say whether the `pdf` extra is here."""
    return find_spec("pyhanko") is not None


def check_pdf(
    pdf: bytes, *, roots: Sequence[bytes], others: Sequence[bytes] = (), crls: Sequence[bytes] = (), at: datetime
) -> PaperVerdict:
    """Return what the signatures of a PDF are worth at an instant, by the trusted `roots` (all in DER).

    Never raises for what the PDF is: a child that ends badly or late is the verdict "unchecked" with its reason.
    """
    if not is_installed():
        return PaperVerdict("unchecked", "not_installed")
    asked = {
        "roots": [base64.b64encode(each).decode() for each in roots],
        "others": [base64.b64encode(each).decode() for each in others],
        "crls": [base64.b64encode(each).decode() for each in crls],
        "at": format_time(at),
    }
    command = [sys.executable, "-I", "-m", "server.papers.child"]
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked).encode() + b"\n" + pdf,
            capture_output=True,
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return PaperVerdict("unchecked", "limits")
    if done.returncode != 0 or len(done.stdout) > MAX_ANSWER_BYTES:
        _LOG.warning("a PDF could not be checked (status %d): %s", done.returncode, done.stderr[-500:])
        exceeded = done.returncode < 0 or b"MemoryError" in done.stderr
        return PaperVerdict("unchecked", "limits" if exceeded else "unreadable")
    try:
        return parse_verdict(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError) as exc:
        _LOG.warning("the PDF checker answered what is no verdict: %s", exc)
        return PaperVerdict("unchecked", "unreadable")
