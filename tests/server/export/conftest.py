"""A dossier that two leaders of a commune have had erased, at a node that is open and not served."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.dossier import units
from server.home import Home
from server.intake.source import Source
from server.node.assembly import Node
from server.pki.authority import Authority
from tests.server.conftest import COMMUNE, DISTRICT, PROVINCE, issue_person, submission

NAME = "Vàng Thị Mỷ Tuyệt Mật"


@pytest.fixture(scope="module")
def erased_dossier(
    tmp_path_factory: Any, home_templates: Callable[..., Path], key_pool: Callable[[], Any]
) -> Iterator[tuple[Node, str]]:
    """The commune's node and the stream of a dossier of three events that is erased there."""
    folder = tmp_path_factory.mktemp("erased-dossier")
    shutil.copytree(home_templates(PROVINCE, DISTRICT, COMMUNE), folder, dirs_exist_ok=True)
    node = Node(Home.open(folder / units.dashed(COMMUNE)))
    authority = Authority.open(node.home)
    citizen, official, first, second = people = [issue_person(authority, key_pool()) for _ in range(4)]
    for each in people:
        node.copier.ensure_certificate(node.database, each.certificate)

    def sign(person: Any, stream: str, type: str, body: dict[str, Any], prev: Any) -> str:
        event = submission(node.unit, person, stream=stream, type=type, body=body, prev=list(prev))
        doc = person.sign(event)
        [result] = node.intake.admit(node.database, [doc], source=Source("local", node.signer.urn))
        assert result.error is None, result.error.reason
        node.model.follower.catch_up()
        return str(doc.id).rpartition(":")[2]

    def of_unit(person: Any, type: str, body: dict[str, Any]) -> str:
        stream = units.unit_stream(node.unit)
        return sign(person, stream, type, body, node.model.queries.heads(node.database, stream))

    node.people.grant(official.urn, "Cán bộ", "official")
    node.people.grant(first.urn, "Lãnh đạo thứ nhất", "leader")
    node.people.grant(second.urn, "Lãnh đạo thứ hai", "leader")
    node.model.follower.catch_up()
    [pending] = node.people.pending()
    of_unit(first, "role.confirmed", {"of": pending.event, "subject": second.urn})

    event = submission(node.unit, citizen)
    event["body"]["applicant"]["name"] = NAME
    stream = event["stream"]
    filed = sign(citizen, stream, "dossier.submitted", event["body"], [])
    noted = sign(official, stream, "dossier.commented", {"text": NAME}, [filed])
    sign(official, stream, "dossier.refused", {"reason": "Không thuộc thẩm quyền"}, [noted])
    words = {"basis": "Quyết định 12/QĐ-UBND", "rule": "Thử nghiệm: 1 năm", "ended": "2026-01-01T00:00:00Z"}
    proposal = of_unit(first, "erasure.proposed", node.erasures.proposal(stream, **words))
    of_unit(second, "erasure.confirmed", {"of": proposal})
    assert node.erasing.settle() == 1
    yield node, stream
    node.stop()
