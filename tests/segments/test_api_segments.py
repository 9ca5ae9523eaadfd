"""Segments and their members through the API."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from segments.models import Membership, Segment
from tests.crm import make
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
