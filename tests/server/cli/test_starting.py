"""A command starts with what it needs: scripts and offices run many in a row, and each wants to be back at once."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys

import pytest

from server.cli import COMMANDS, main

# Slow to import, and of no use to a command that opens no node.
OF_A_NODE = {
    "PIL",
    "asn1crypto",
    "cheroot",
    "couchdb",
    "flask",
    "jinja2",
    "pikepdf",
    "pkcs11",
    "prometheus_client",
    "pyhanko",
    "pyhanko_certvalidator",
    "pyrage",
    "requests",
    "rfc3161_client",
    "segno",
    "werkzeug",
    "zstandard",
    "zxingcpp",
}
OF_CALCULATION = {"cryptography", "orjson"}
# What answers browsers and neighbours, draws codes, asks a CouchDB or a time-stamp authority.
OF_SERVING = {"cheroot", "couchdb", "flask", "jinja2", "requests", "segno", "werkzeug"}
RUN = """
import json, sys
from server.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def imported_by(*arguments: object) -> set[str]:
    """Return the top-level packages a command has imported when it is done, in a process of its own."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_imports_nothing_but_the_names_of_the_commands():
    """No library at all: the list of commands is a table."""
    assert imported_by("--help") & (OF_A_NODE | OF_CALCULATION) == set()


def test_a_home_is_made_and_asks_for_its_certificate_without_a_node(tmp_path):
    """`init` and `ca request` need keys and files, neither server nor databases nor network."""
    home = tmp_path / "c"

    assert imported_by("init", home, "--unit", "H41.12.03") & OF_A_NODE == set()
    assert imported_by("ca", "request", home, tmp_path / "request") & OF_A_NODE == set()


def test_a_node_is_opened_without_what_only_serving_needs(make_homes):
    """Flask and the HTTP server come with `serve`, which alone answers anybody; `sync` and the rest do without."""
    home = make_homes("H41")["H41"].path

    assert imported_by("user", "list", home) & OF_SERVING == set()
    assert imported_by("sync", home, "--once") & OF_SERVING == set()


@pytest.mark.parametrize("module", sorted({module for module, _ in COMMANDS.values()}))
def test_the_table_of_commands_says_what_each_module_registers(module):
    """Names and lines of `tram --help` are those of the module; a command without a row would not be found."""
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"server.cli.{module}").register(commands)

    registered = {action.dest: action.help for action in commands._choices_actions}

    assert registered == {name: line for name, (where, line) in COMMANDS.items() if where == module}


def test_every_command_is_in_the_help_and_what_is_none_is_named(capsys):
    """Wrong usage is 2, and the message lists what there is."""
    with pytest.raises(SystemExit) as help_ended:
        main(["--help"])
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit) as wrong_ended:
        main(["-v", "nothing"])

    assert help_ended.value.code == 0
    assert all(f"\n    {name} " in shown for name in COMMANDS)
    assert wrong_ended.value.code == 2
    assert "load-sample" in capsys.readouterr().err
