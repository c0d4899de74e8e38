"""What needs a person is found once and told everywhere: the command, the desk, the metrics."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.backup.restored import note_restore
from server.cli import main
from server.clocks.clock import timestamp
from server.health.complaints import LISTS, STAMPS
from server.health.examining import STAMPS_AFTER, examine, urgent


@pytest.fixture(scope="module")
def led(shared_office, key_pool):
    """The office with a leader."""
    shared_office.leader = shared_office.enrol(key_pool(), "leader")
    return shared_office


def raise_alarm(office):
    """Two signed heads of this node's own log, handed to its witness as if they contradicted one another."""
    known = office.node.log.head().note
    office.file()
    shown = office.node.log.head().note
    assert known != shown
    origin = office.node.log.origin()
    office.node.witness.accuse(origin, known=known, shown=shown, reason="two different heads of 7 leaves")
    office.node.model.follower.catch_up()
    return known, shown


def codes(node):
    return [each.code for each in examine(node)]


def test_an_alarm_stands_above_every_page_of_leaders_and_of_nobody_else(led):
    """Officials at the counter are not frightened by what they can do nothing about; the page is open to them."""
    raise_alarm(led)

    assert "BÁO ĐỘNG" in led.leader.get("/desk").text
    assert 'role="alert"' in led.leader.get("/desk/enrolments").text
    assert "BÁO ĐỘNG" not in led.official.get("/desk").text
    assert "BÁO ĐỘNG" in led.official.get("/desk/health").text
    assert led.citizen.get("/desk/health").status_code == 403


def test_the_page_of_an_alarm_has_both_signed_heads_to_print(led):
    """Word for word, with what to do; one that does not exist is said so."""
    known, shown = raise_alarm(led)
    alarm = next(each for each in led.node.alarms.known() if each.shown == shown)

    page = led.leader.get(f"/desk/health/{alarm.event}").text

    for note in (known, shown):
        assert all(line in page.replace("&#43;", "+") for line in note.splitlines())
    assert "data-print" in page
    assert "giữ nguyên ổ đĩa" in page
    assert led.leader.get("/desk/health/sha256-none").status_code == 404


def test_doctor_desk_and_metrics_say_the_same(led, capsys):
    """One list: every finding of the command is on the page and counted."""
    raise_alarm(led)
    found = examine(led.node)

    assert main(["doctor", str(led.node.home.path)]) == 1
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("! ")]
    page, metrics = led.leader.get("/desk/health").text, led.nobody.get("/metrics").text

    assert [line[2:] for line in printed] == [each.line() for each in found]
    assert page.count("finding") == len(found)
    for each in found:
        count = float(sum((each.code, each.level) == (other.code, other.level) for other in found))
        assert f'tram_findings{{code="{each.code}",level="{each.level}"}} {count}' in metrics


def test_a_time_stamp_service_is_complained_of_after_a_day_and_no_more_once_it_answers(led):
    """The words of the first complaint's day stay though the trouble's words change."""
    at = led.node.clock.now()
    led.node.complaints.tell(STAMPS, "no answer", at - STAMPS_AFTER + timedelta(minutes=1))
    assert "timestamps" not in codes(led.node)
    led.node.complaints.tell(STAMPS, "", at)
    led.node.complaints.tell(STAMPS, "no answer", at - STAMPS_AFTER)
    led.node.complaints.tell(STAMPS, "503", at)

    [found] = [each for each in examine(led.node) if each.code == "timestamps"]
    assert "503" in found.what.en
    assert found.since == (at - STAMPS_AFTER).strftime("%Y-%m-%dT%H:%M:%SZ")
    led.node.complaints.tell(STAMPS, "", at)
    assert "timestamps" not in codes(led.node)


def test_the_keepers_of_a_serving_node_leave_their_complaints_where_the_command_finds_them(led, helpers):
    """The CA's key was taken away: the weekly list's trouble is known outside of the process's memory."""
    key = led.node.home.path / "keys" / "ca.key"
    away = key.rename(key.with_name("taken-away"))

    led.node.crl_keeper.carry_out()
    complaint = helpers.wait_until(lambda: led.node.complaints.of(LISTS))
    assert "ca.key" in complaint.text

    away.rename(key)
    led.node.crl_keeper.carry_out()
    helpers.wait_until(lambda: led.node.complaints.of(LISTS) is None)


def test_a_restored_copy_that_waits_for_its_parent_says_so(led):
    """No receipts until then, and why; an operator's word ends it."""
    now = led.node.clock.now()
    note_restore(led.node.db, made_at=timestamp(now - timedelta(days=2)), at=now)
    led.node.recovery.look(now)

    [found] = [each for each in urgent(led.node) if each.code == "log_waits"]
    led.node.recovery.accept(now)

    assert "log_waits" not in [each.code for each in urgent(led.node)]
    assert "biên nhận" in found.what.vi
    assert found.page == "/desk/links"


def test_a_recorded_loss_that_waits_for_the_ca_key_is_found(led):
    """Until somebody brings the key, every leader is reminded."""
    key = led.node.home.path / "keys" / "ca.key"
    away = key.rename(key.with_name("taken-away"))
    led.node.people.order_revocation(led.citizen.person.urn, how="lost", reason="Mất")

    assert "revocation_waits" in [each.code for each in urgent(led.node)]
    assert "tram ca revoke" in led.leader.get("/desk/health").text

    away.rename(key)
    led.node.revoking.carry_out()
    assert "revocation_waits" not in codes(led.node)
