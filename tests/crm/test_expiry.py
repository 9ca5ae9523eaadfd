"""Time passes: what the rules keep for a while is gone after it, and nothing before."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm import expiry
from crm.models import AuditEntry, Customer, DataRequest, Job, Receipt, WebVisit
from crm.tasks import let_data_expire
from tests.crm import make
from tests.support.everything import full_person

pytestmark = pytest.mark.django_db

NOW = make.NOW
MONTH = timedelta(days=31)


def visit(at: datetime, **fields: Any) -> WebVisit:
    return WebVisit.objects.create(visitor="v", path="/", visited_at=at, visited_on=at.date(), **fields)


def test_visits_are_deleted_after_their_months_and_not_a_day_before() -> None:
    anna = make.customer("Anna Ozola")
    kept = visit(datetime(2024, 4, 20, 12, tzinfo=NOW.tzinfo), customer=anna)
    visit(datetime(2024, 4, 19, 23, tzinfo=NOW.tzinfo))
    assert expiry.expire(now=NOW) == {"crm.WebVisit": 1}
    assert list(WebVisit.objects.all()) == [kept]
    assert expiry.expire(now=NOW) == {}


def test_the_book_of_looks_ends_though_nobody_may_change_it() -> None:
    old = AuditEntry.objects.create(action="looked", what="page", happened_at=NOW - 40 * MONTH)
    new = AuditEntry.objects.create(action="looked", what="page", happened_at=NOW)
    expiry.expire(now=NOW)
    assert list(AuditEntry.objects.all()) == [new], old


def test_a_job_goes_with_what_it_says_but_not_while_it_works_nor_with_what_refers_to_it() -> None:
    anna = make.customer("Anna Ozola")
    done, running = (
        Job.objects.create(kind="copy", status=status, created_at=NOW - 13 * MONTH) for status in ("done", "running")
    )
    asked = DataRequest.objects.create(
        customer=anna, kind="copy", through="till", asked_at=NOW - 40 * MONTH, due_on=NOW.date(), job=done
    )
    expiry.expire(now=NOW)
    asked.refresh_from_db()
    assert (asked.job, asked.status) == (None, "open")
    assert list(Job.objects.all()) == [running]


def test_what_was_said_to_somebody_is_emptied_and_the_campaigns_books_stay() -> None:
    from campaigns.models import Delivery, TrackedEvent

    full_person("Qzx", other=make.customer("Berta Liepa"))
    later = NOW + 40 * MONTH
    assert expiry.expire(now=later)["campaigns.Delivery"] == 1
    delivery, event = Delivery.objects.get(), TrackedEvent.objects.get()
    assert (delivery.address, delivery.address_key, delivery.detail, event.user_agent) == ("", "", "", "")
    assert delivery.status == "accepted"
    assert "campaigns.Delivery" not in expiry.expire(now=later)


@pytest.mark.parametrize("contact", ["none", "bought", "registered", "visited", "merged"])
def test_customers_are_erased_ten_years_after_the_last_contact(contact: str) -> None:
    anna, older = make.customer("Anna Ozola"), make.customer("A. Ozola")
    Customer.objects.update(created_at=NOW - 200 * MONTH)
    Customer.objects.filter(pk=older.pk).update(merged_into=anna)
    match contact:
        case "bought":
            make.receipt(customer=anna, sold_at=NOW - MONTH)
        case "registered":
            Customer.objects.filter(pk=anna.pk).update(registered_at=NOW - MONTH)
        case "visited":
            visit(NOW - MONTH, customer=anna)
        case "merged":
            visit(NOW - MONTH, customer=older)
    expected = {"crm.Customer": 1} if contact == "none" else {}
    assert expiry.expire(now=NOW) == expected
    assert Customer.objects.exclude(erased_at=None).count() == (2 if contact == "none" else 0)


def test_an_old_purchase_keeps_nobody_and_its_receipt_stays() -> None:
    anna = make.customer("Anna Ozola")
    make.receipt(customer=anna, sold_at=NOW - 130 * MONTH)
    Customer.objects.update(created_at=NOW - 130 * MONTH)
    expiry.expire(now=NOW)
    assert Receipt.objects.get().customer is None


def test_the_task_may_run_twice() -> None:
    visit(NOW - 100 * MONTH)
    let_data_expire()
    let_data_expire()
    assert not WebVisit.objects.exists()
