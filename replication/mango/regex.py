"""Regular expressions in time linear in the text: RE2, an optional extra, the PyPI package `google-re2`.

CouchDB has PCRE, which goes back and tries again, for years with a pattern such as "(a+)+$", and gives up after ten
million steps. RE2 never goes back; so it has neither back references nor look-around. What a pattern may cost is
bounded here all the same: steps are at most the length of the text times the size of the compiled pattern.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from replication.mango.errors import MangoError, show

PACKAGE = "re2"  # the module's name; the package is google-re2
MAX_MEMORY = 1024 * 1024  # of one compiled pattern and its states
MAX_TEXT = 64 * 1024  # of one value, in bytes of UTF-8
MAX_STEPS = (
    8 * 1024 * 1024
)  # for one value, some 0.1 s; a pattern above 128 instructions so searches less than MAX_TEXT
NOT_HERE = "$regex needs an engine in linear time: install the Python package google-re2 beside this server"

Search = Callable[[str], bool]


def is_installed() -> bool:
    """Return whether there is an engine for `$regex`."""
    return importlib.util.find_spec(PACKAGE) is not None


def compile_search(pattern: str) -> Search:
    """Return the test whether a pattern is found anywhere in a text, or in the beginning of a very long one.

    Raises `MangoError`: "bad_arg" for a pattern RE2 does not take, "not_supported" where the extra is not installed.
    """
    if not is_installed():
        raise MangoError(NOT_HERE, error="not_supported")
    re2: Any = importlib.import_module(PACKAGE)
    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = MAX_MEMORY, False, True
    try:
        found = re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error as exc:
        why = exc.args[0] if exc.args else b""
        words = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise MangoError(f"Bad argument for operator $regex: {show(pattern)}: {words}", error="bad_arg") from exc
    finally:
        re2.purge()  # or the module keeps the last 128 patterns of anybody, with their states
    search, reach = found.search, min(MAX_TEXT, MAX_STEPS // max(1, found.programsize))
    return lambda text: search(text[:reach].encode("utf-8", "replace")[:reach]) is not None
