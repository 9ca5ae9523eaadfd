"""Segments that ask for the price level follow the usual prices."""

from datetime import date

import pytest

from crm import profiles
from crm.models import UsualPrice
from segments import domain, prices, refresh
from segments.models import Membership
from segments.tasks import refresh_due
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.segments.test_rules import a_rule, ask
from tests.segments.worlds import NOW

pytestmark = pytest.mark.django_db


def test_members_follow_when_prices_are_made_anew() -> None:
    cheap, dear = (a_product(name, make.category("Tea")) for name in ("bags", "leaves"))
    thrifty, choosy = a_customer(), a_customer()
    a_receipt(thrifty, [(cheap, "3", 300)], sold_on=date(2027, 2, 1))
    a_receipt(choosy, [(dear, "1", 500)], sold_on=date(2027, 2, 1))
    profiles.recount(customer_ids=[thrifty.pk, choosy.pk])
    level = domain.create_segment(name="Choosy", rule=a_rule(ask("price_level", ">=", 250)), by=None)
    other = domain.create_segment(name="Buyers", rule=a_rule(ask("bought", "is", True)), by=None)
    refresh.refresh_due(now=NOW)
    assert not Membership.objects.filter(segment=level).exists()  # no price to compare with yet

    assert prices.remake_if_due(now=NOW)
    level.refresh_from_db()
    other.refresh_from_db()
    assert (level.refreshed_version, other.refreshed_version) == (0, 1)  # only those who ask for it are due
    refresh.refresh_due(now=NOW)
    assert list(Membership.objects.filter(segment=level).values_list("customer_id", flat=True)) == [choosy.pk]
    assert not prices.remake_if_due(now=NOW)


def test_the_worker_makes_them(settings: object) -> None:
    make.category("Tea")
    for _again in range(2):
        refresh_due()
        assert UsualPrice.objects.count() == 1
