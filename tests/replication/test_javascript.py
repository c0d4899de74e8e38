"""The engine that runs functions of design documents."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from replication.document import DocId, Rev
from replication.javascript import Bounds, Design, Engine, FunctionFailed, Thrown, is_installed

if not is_installed():
    pytest.skip("quickjs-ng is not installed, so design documents' functions do not run", allow_module_level=True)

CALL_S = 1.0
HUNG = {
    "a loop": "() => { while (true) {} }",
    "a loop that catches": "() => { while (true) { try { while (true) {} } catch (error) {} } }",
    # One call into the engine's own code, which looks at no clock.
    "a native loop": '() => { const text = "a".repeat(1 << 22); text.indexOf(text.slice(1 << 21) + "b"); }',
    "a pattern that goes back": '() => /^(a+)+$/.test("a".repeat(50) + "b")',
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(Bounds(call_s=CALL_S))
    yield engine
    engine.close()


def build(database: str = "db", rev: str = "1-a", **members: Any) -> Design:
    return Design(database, DocId("_design/d"), Rev(rev), json.dumps(members).encode())


def thrown(engine: Engine, design: Design, *path: str, arguments: Any = ()) -> Any:
    """Return what a function threw."""
    with pytest.raises(Thrown) as caught:
        engine.call(design, path or ("f",), json.dumps(arguments).encode())
    return caught.value.value


def test_a_function_gets_its_arguments_and_its_design_document(engine: Engine) -> None:
    """As JSON values; `this` is the design document."""
    design = build(f="function (a, b) { throw([a.x, b, this.word]); }", word="từ")

    assert thrown(engine, design, arguments=[{"x": "ă\u0000"}, None]) == ["ă\u0000", None, "từ"]


@pytest.mark.parametrize(
    "source",
    ["function () { throw(1); }", " function(){throw 1};; \n", "() => { throw 1 }", "// why\nfunction () { throw 1 }"],
)
def test_the_ways_functions_are_written(engine: Engine, source: str) -> None:
    """An expression, with comments before and semicolons behind."""
    assert thrown(engine, build(f=source, rev=source)) == 1


def test_modules_are_found_in_the_design_document(engine: Engine) -> None:
    """`require` as CommonJS has it, absolute and relative."""
    lib = {"one": "exports.sum = 1 + require('./two').number;", "two": "exports.number = 41;"}
    design = build(rev="1-lib", f="function () { throw(require('lib/one').sum); }", lib=lib)

    assert thrown(engine, design) == 42


def test_filters_are_asked_about_many_documents_at_once(engine: Engine) -> None:
    """By the truth of what they return, or by whether they emit."""
    design = build(
        rev="1-filters", filters={"f": "(doc, req) => doc.n > req.least"}, views={"v": {"map": "d => d.n && emit(d.n)"}}
    )
    docs = [{"n": 0}, {"n": 3}, {"n": 5}]

    least = json.dumps([docs, {"least": 3}]).encode()
    assert engine.call(design, ("filters", "f"), least, "each") == [False, False, True]
    assert engine.call(design, ("views", "v", "map"), least, "emits") == [False, True, True]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("function (", "compilation_error"),
        ("5", "compilation_error"),
        ({"not": "text"}, "compilation_error"),
        ("() => null.x", "TypeError"),
        ("function f() { f(); f(); }", "RangeError"),
        ("() => { throw 10n }", "unknown_error"),
        ("() => { const all = []; while (true) all.push('x'.repeat(1000) + all.length) }", "InternalError"),
    ],
)
def test_a_function_that_fails_says_why(engine: Engine, source: Any, error: str) -> None:
    """CouchDB's word or JavaScript's name, and the engine goes on."""
    design = build(rev=f"1-{source}", f=source, ok="() => { throw 'well' }")
    with pytest.raises(FunctionFailed) as caught:
        engine.call(design, ("f",), b"[]")

    assert (caught.value.status, caught.value.error) == (500, error)
    assert thrown(engine, design, "ok") == "well"


@pytest.mark.parametrize("name", HUNG)
def test_a_function_that_never_ends_is_ended(engine: Engine, name: str) -> None:
    """By the clock, whatever the engine is busy with; the next call works."""
    with pytest.raises(FunctionFailed, match="timed out"):
        engine.call(build(rev=name, f=HUNG[name]), ("f",), b"[]")

    assert thrown(engine, build(f="() => { throw 'well' }")) == "well"


def test_a_machine_that_stood_still_costs_no_function_its_time(engine: Engine) -> None:
    """Time is what the function had of the processor: others may have had it for longer than the limit."""
    design = build(f="() => { let n = 0; while (n < 3e6) n += 1; throw n }")
    thrown(engine, build(f="() => { throw 'warm' }"))
    assert engine._host is not None
    host, answers = engine._host, list[Any]()
    caller = threading.Thread(target=lambda: answers.append(thrown(engine, design)))
    caller.start()
    for _ in range(6):
        os.kill(host.pid, signal.SIGSTOP)
        threading.Event().wait(0.25)  # not for synchronisation: together longer than the limit
        os.kill(host.pid, signal.SIGCONT)
        threading.Event().wait(0.01)
    caller.join(60)

    assert answers == [3_000_000]
    assert engine._host is host


def test_a_design_document_cannot_reach_another(engine: Engine) -> None:
    """Globals are a room's own; the same design document of another database has another."""
    spoil = build(rev="1-spoil", f="() => { globalThis.mark = 1; JSON.stringify = Array.prototype.map = null; }")
    look = "() => { throw typeof mark }"
    engine.call(spoil, ("f",), b"[]")

    assert thrown(engine, build(rev="1-look", f=look)) == "undefined"
    assert thrown(engine, build("other", "1-spoil", f=look)) == "undefined"


def test_a_room_has_no_door_to_the_system(engine: Engine) -> None:
    """No files, no modules of the engine's, no environment of the server's."""
    names = ["std", "os", "process", "fetch", "print", "scriptArgs", "Worker", "require('std')"]
    source = (
        "() => { throw [" + ",".join(f"(() => {{ try {{ {n}; return 1 }} catch (e) {{}} }})()" for n in names) + "] }"
    )

    assert thrown(engine, build(rev="1-doors", f=source)) == [None] * len(names)


def test_what_comes_out_of_a_spoiled_room_is_a_failure(engine: Engine) -> None:
    """A function that overrides how values are printed harms its own design document, and no server."""
    design = build(rev="1-evil", f="() => { Object.prototype.toJSON = () => 'gotcha' }")

    with pytest.raises(FunctionFailed, match="no JSON"):
        engine.call(design, ("f",), b"[]")


def test_an_engine_whose_host_dies_starts_another() -> None:
    """The call under way fails; later ones do not."""
    engine = Engine()
    design = build(f="() => { throw 'well' }")
    assert thrown(engine, design) == "well"
    assert engine._host is not None
    os.kill(engine._host.pid, signal.SIGKILL)
    engine._host.wait()

    with pytest.raises(FunctionFailed, match="ended with status"):
        engine.call(design, ("f",), b"[]")
    assert thrown(engine, design) == "well"
    engine.close()


def test_rooms_that_were_given_up_are_made_again() -> None:
    """More design documents than rooms only cost time."""
    engine = Engine(Bounds(rooms=2))
    designs = [build(rev=f"1-{n}", f=f"() => {{ throw {n} }}") for n in range(5)]

    assert [thrown(engine, design) for design in designs * 2] == [*range(5)] * 2
    engine.close()
