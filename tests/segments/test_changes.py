"""Who came and who went between two days."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from segments import changes, domain
from segments.models import MembershipEvent, Segment
from tests.crm import make
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW
from tests.support.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def segment() -> Segment:
    return domain.create_segment(name="Rigans", rule=a_rule(ask("city", "=", "Riga")), by=None)


def note(segment: Segment, name: str, at: datetime, *, entered: bool, version: int = 1) -> None:
    MembershipEvent.objects.create(
        segment=segment, customer=make.customer(name), entered=entered, happened_at=at, rule_version=version
    )


def a_span(since: str, until: str, only: str = "") -> changes.Span:
    return changes.read_span(since=since, until=until, only=only, now=NOW)


def test_both_days_count_whole_in_the_shops_time(segment: Segment, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    for name, hour in (("Before", 14), ("First", 15), ("Last", 38), ("After", 39)):
        note(segment, name, datetime(2027, 1, 31, tzinfo=UTC) + timedelta(hours=hour), entered=True)
    found = changes.events(segment=segment, span=a_span("2027-02-01", "2027-02-01"))
    assert [event.customer.first_name for event in found] == ["Last", "First"]


def test_counts_are_by_day_and_by_version(segment: Segment) -> None:
    for number in range(3):
        note(segment, f"C{number}", NOW, entered=True)
    note(segment, "W", NOW - timedelta(days=2), entered=False)
    note(segment, "X", NOW, entered=True, version=2)
    note(segment, "Old", NOW - timedelta(days=60), entered=True)
    found = changes.summary(segment=segment, span=a_span("", ""))
    assert (found.came, found.went, found.net) == (4, 1, 3)
    assert [(one.number, one.came, one.went) for one in found.versions] == [(2, 1, 0), (1, 3, 1)]
    assert found.chart is not None
    assert [series["values"] for series in found.chart["series"]] == [[0, 0, 4], [1, 0, 0]]


@pytest.mark.parametrize(
    ("since", "until", "only"),
    [("2027-02-02", "2027-02-01", ""), ("soon", "", ""), ("", "", "stayed"), ("2027-02-30", "", "")],
)
def test_nonsense_is_refused(since: str, until: str, only: str) -> None:
    with pytest.raises(ValueError):
        a_span(since, until, only)


def test_the_longest_time_is_no_trouble(segment: Segment) -> None:
    note(segment, "A", NOW, entered=True)
    found = changes.summary(segment=segment, span=a_span("0001-01-02", "9999-12-31"))
    assert found.came == 1 and found.chart is not None


def test_the_page_lists_who_and_takes_as_many_queries_for_three(
    client: Client, segment: Segment, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client.force_login(person("Marketing"))
    link = reverse("admin:segments_segment_changes", args=[segment.pk])
    used = []
    for number in range(3):
        note(segment, f"Ilze{number}", NOW, entered=number != 1)
        with django_assert_max_num_queries(30) as queries:
            page = client.get(link, {"since": "2027-02-01", "until": "2027-03-02"}).content.decode()
        used.append(len(queries))
        assert all(f"Ilze{one}" in page for one in range(number + 1))
    assert used[1:] == used[:1] * 2
    went = client.get(link, {"since": "2027-02-01", "until": "2027-03-02", "only": "went"}).content.decode()
    assert "Ilze1" in went and "Ilze0" not in went
    assert "can&#x27;t be read" in client.get(link, {"since": "x"}).content.decode()


def test_what_changed_is_exported_as_it_is_shown(client: Client, segment: Segment) -> None:
    client.force_login(person("Marketing"))
    note(segment, "Ilze", NOW, entered=True)
    note(segment, "Janis", NOW, entered=False, version=2)
    link = reverse("admin:crm_job_export", args=["segments.changes"])
    address = f"{link}?segment={segment.pk}&since=2027-02-01&until=2027-03-02&only=went"
    answer = client.post(address, {"what": "membership_changes", "format": "csv"})
    rows = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()  # type: ignore[attr-defined]
    assert rows[0].split(",")[-3:] == ["what", "when", "rule_version"]
    assert len(rows) == 2 and ",Janis,,went," in rows[1] and rows[1].endswith(",2")
    assert client.get(f"{link}?segment=0").status_code == 302
    assert date(2027, 3, 1) == NOW.date()
