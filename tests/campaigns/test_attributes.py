"""What people do with our mails is a fact of theirs: it leaves a mark, and rules count it."""

from datetime import date, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from campaigns import tracking
from campaigns.audience import preview_audience
from campaigns.channels import Fate
from campaigns.models import Delivery
from campaigns.sending import send_campaign
from campaigns.states import launch_campaign
from crm.models import ChangeMark, Customer
from segments import domain
from segments.rules import RuleError
from tests.campaigns.builders import campaign_for, people, segment_of
from tests.campaigns.doors import ToyDoor
from tests.campaigns.test_tracking import NOW, PAGES, delivery, link_of

pytestmark = pytest.mark.django_db


def asking(event: str, operator: str, value: Any, **filters: str) -> dict[str, Any]:
    return {
        "v": 1,
        "rule": {"attribute": "mails", "operator": operator, "value": value, "filters": {"event": event, **filters}},
    }


def counted(event: str, value: int, **filters: str) -> int:
    return domain.count(rule=asking(event, ">=", value, **filters), now=NOW)


def marked() -> list[int | None]:
    found: list[int | None] = list(ChangeMark.objects.values_list("customer_id", flat=True))
    ChangeMark.objects.all().delete()
    return found


def test_an_opened_mail_counts_once_and_marks_its_reader() -> None:
    row = delivery(sent_at=NOW - timedelta(days=40))
    marked()
    for _ in range(3):
        tracking.record_event(token=row.token, kind="opened", now=NOW)
    assert marked() == [row.customer_id] * 3
    assert (counted("opened", 1), counted("opened", 2), counted("clicked", 1), counted("sent", 1)) == (1, 0, 0, 1)
    assert (counted("sent", 1, last="30 days"), counted("opened", 1, last="1 days")) == (0, 1)


def test_what_a_machine_does_marks_nobody_and_counts_for_nothing() -> None:
    row = delivery()
    marked()
    tracking.record_event(token=row.token, kind="opened", now=NOW, is_automated=True)
    assert (marked(), counted("opened", 1)) == ([], 0)


def test_a_burst_of_clicks_that_turns_out_to_be_a_machines_is_taken_back_with_a_mark() -> None:
    row = delivery()
    for page in PAGES[:2]:
        tracking.record_click(
            token=row.token, link_id=link_of(row, page).pk, now=NOW, user_agent="Firefox", is_automated=False
        )
    assert counted("clicked", 1) == 1
    marked()
    tracking.record_click(
        token=row.token, link_id=link_of(row, PAGES[2]).pk, now=NOW, user_agent="Firefox", is_automated=False
    )
    assert set(marked()) == {row.customer_id} and counted("clicked", 1) == 0


def test_an_event_that_settles_a_delivery_marks_even_where_a_machine_made_it() -> None:
    row = delivery(status="sending")
    marked()
    tracking.record_event(token=row.token, kind="opened", now=NOW, is_automated=True)
    assert Delivery.objects.get().status == "accepted"
    assert marked() == [row.customer_id]


def test_mails_of_a_merged_record_count_for_whoever_they_live_on_in() -> None:
    row, other = delivery(), delivery()
    Customer.objects.filter(pk=row.customer_id).update(merged_into=other.customer_id)
    marked()
    tracking.record_event(token=row.token, kind="opened", now=NOW)
    assert marked() == [other.customer_id]
    assert (counted("sent", 2), counted("opened", 1)) == (1, 1)
    assert counted("sent", 1, last="30 days") == 0
    Delivery.objects.update(sent_at=NOW)
    assert counted("sent", 2, last="30 days") == 1


def test_whoever_a_mail_has_reached_is_marked(toy_door: type[ToyDoor]) -> None:
    toy_door.fate_of = staticmethod(lambda address: Fate.REFUSED if address.startswith("Anna1@") else Fate.ACCEPTED)
    campaign = campaign_for(segment_of(people(3), now=NOW))
    launch_campaign(campaign=campaign, by=None, now=NOW)
    marked()
    send_campaign(campaign_id=campaign.pk, seconds=60, clock=lambda: NOW)
    reached = campaign.deliveries.filter(status="accepted").values_list("customer_id", flat=True)
    assert sorted(marked(), key=str) == sorted(reached, key=str) and len(reached) == 2
    assert counted("sent", 1) == 2


def test_a_child_gets_a_promotion_only_where_a_guardian_agreed(settings: Settings) -> None:
    child, allowed, grown = people(3)
    Customer.objects.filter(pk__in=[child.pk, allowed.pk]).update(birth_date=NOW.date() - timedelta(days=3_000))
    Customer.objects.filter(pk=allowed.pk).update(guardian_agreed_on=NOW.date())
    Customer.objects.filter(pk=grown.pk).update(birth_date=date(1990, 1, 1))
    campaign = campaign_for(segment_of([child, allowed, grown], now=NOW))
    found = preview_audience(campaign=campaign, now=NOW)
    assert (found.to_send, found.suppressed) == (2, {"too_young": 1})
    settings.PROFILING_AGE = 0
    assert preview_audience(campaign=campaign, now=NOW).to_send == 3


@pytest.mark.parametrize("event", ["", "opend", 7])
def test_another_event_is_an_error(event: Any) -> None:
    with pytest.raises(RuleError):
        domain.count(rule=asking(event, ">=", 1), now=NOW)
