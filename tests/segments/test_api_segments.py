"""Segments and their members through the API."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from crm import tokens
from crm.attributes import catalogue
from segments import domain
from segments.models import Membership, Segment
from tests.crm import make
from tests.segments.test_rules import a_rule, ask
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketing() -> APIClient:
    client = APIClient()
    client.force_authenticate(person("Marketing"))
    return client


def test_a_segment_tells_its_rule_and_how_many_are_in(marketing: APIClient) -> None:
    segment = Segment.objects.create(name="Big", rule={"v": 1}, members_count=7, refreshed_at=make.NOW)
    Segment.objects.create(name="Old", is_archived=True)
    shown = {
        "id": segment.pk,
        "name": "Big",
        "description": "",
        "kind": "dynamic",
        "rule": {"v": 1},
        "text": "",
        "rule_version": 1,
        "is_archived": False,
        "members": 7,
        "refreshed_at": "2026-05-20T12:00:00Z",
    }
    assert marketing.get(f"/api/segments/{segment.pk}/").json() == shown
    assert marketing.get("/api/segments/", {"is_archived": "false"}).json()["results"] == [shown]
    assert marketing.post("/api/segments/", {"name": "New"}, format="json").status_code == 405


def test_members_come_with_since_when_and_in_pages(marketing: APIClient) -> None:
    segment, other = Segment.objects.create(name="Big"), Segment.objects.create(name="Other")
    for number in range(3):
        Membership.objects.create(
            segment=segment,
            customer=make.customer(number=f"C{number}"),
            entered_at=make.NOW + timedelta(days=number),
            rule_version=1,
        )
    Membership.objects.create(segment=other, customer=make.customer(), entered_at=make.NOW, rule_version=1)
    address = f"/api/segments/{segment.pk}/members/"
    first = marketing.get(address, {"page_size": 2}).json()
    assert first["results"] == [
        {"customer": "C0", "entered_at": "2026-05-20T12:00:00Z", "rule_version": 1},
        {"customer": "C1", "entered_at": "2026-05-21T12:00:00Z", "rule_version": 1},
    ]
    assert [row["customer"] for row in marketing.get(first["next"]).json()["results"]] == ["C2"]
    newer = marketing.get(address, {"entered_since": "2026-05-21T12:00:00Z"}).json()["results"]
    assert [row["customer"] for row in newer] == ["C1", "C2"]
    assert [row["customer"] for row in marketing.get(address, {"customer": "C1"}).json()["results"]] == ["C1"]


def test_a_segment_that_is_not_there_has_no_empty_list(marketing: APIClient) -> None:
    assert marketing.get("/api/segments/404/members/").status_code == 404


def test_a_segment_tells_its_rule_as_text(marketing: APIClient) -> None:
    segment = domain.create_segment(name="Big", rule=a_rule({"not": ask("city", "in", ["Riga"])}), by=None)
    assert marketing.get(f"/api/segments/{segment.pk}/").json()["text"] == 'not city in ("Riga")'


def test_a_rule_is_counted_from_text_or_json(marketing: APIClient) -> None:
    for city in ("Riga", "Riga", "Tartu"):
        make.customer(city=city)
    answer = {
        "members": 2,
        "text": 'city = "Riga"',
        "sentence": "City is “Riga”",
        "rule": a_rule(ask("city", "=", "Riga")),
    }
    for rule in ("city = Riga", answer["rule"]):
        counted = marketing.post("/api/segments/count/", {"rule": rule, "as_of": "2030-01-01"}, format="json")
        assert (counted.status_code, counted.json()) == (200, answer)
    assert not Segment.objects.exists()


def test_mistakes_in_a_rule_come_with_their_places(marketing: APIClient) -> None:
    def errors(**body: Any) -> Any:
        answer = marketing.post("/api/segments/count/", body, format="json")
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
        return answer.json()["errors"]

    message = "There is no attribute “agee”. Did you mean “age”?"
    assert errors(rule="age > 3\nor agee > 3") == {
        "rule": [{"message": message, "word": "agee", "path": [1], "line": 2, "column": 4, "length": 4, "offset": 11}]
    }
    assert errors(rule=a_rule(ask("agee", ">", 3))) == {"rule": [{"message": message, "word": "agee", "path": []}]}
    assert errors(rule=3) == {"rule": ["Give the rule as text, or as JSON."]}
    assert set(errors(rule="bought", as_of="x")) == {"as_of"}
    assert set(errors(rool="bought", rule="bought")) == {"rool"}
    make.receipt(make.line(make.product()))
    assert "The newest receipt is of" in errors(rule="bought", as_of="2020-01-01")["as_of"][0]


def test_rule_nested_without_end_is_refused(marketing: APIClient) -> None:
    body = '{"rule": ' + '{"not": ' * 5_000 + "1" + "}" * 5_000 + "}"
    answer = marketing.post("/api/segments/count/", body, content_type="application/json")
    assert answer.status_code == 400


def test_counting_needs_to_read_segments_only() -> None:
    def post(client: APIClient, **headers: str) -> int:
        return client.post("/api/segments/count/", {"rule": "bought"}, format="json", headers=headers).status_code

    people = {role: APIClient() for role in ("Shop staff", "Marketing")}
    for role, client in people.items():
        client.force_authenticate(person(role))
    statuses = [(post(client), client.get("/api/attributes/").status_code) for client in people.values()]
    assert statuses == [(403, 403), (200, 200)]
    boss = person("Administrator")
    for scope, status in (("segments:read", 200), ("customers:write", 403)):
        _token, key = tokens.issue_token(user=boss, name=scope, by=boss, scopes=[scope])
        assert post(APIClient(), Authorization=f"Token {key}") == status


def test_the_catalogue_is_listed(marketing: APIClient) -> None:
    listed = {one["name"]: one for one in marketing.get("/api/attributes/").json()}
    assert set(listed) == set(catalogue())
    assert (listed["gender"]["values"]["female"], listed["spend"]["type"]) == ("female", "money")
    assert {"category", "last"} <= set(listed["spend"]["filters"])
