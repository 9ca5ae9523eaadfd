"""Whatever happens to two customers, in any order: no point and no cent is lost, made up, or given twice."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm import loyalty, profiles, returns, sales, voids
from crm.models import (
    Customer,
    CustomerProfile,
    Household,
    LoyaltyCard,
    LoyaltyEntry,
    LoyaltyProgramme,
    PointsRule,
    Product,
    Receipt,
    ReceiptKind,
    ReceiptLine,
    Tier,
)
from tests.crm import make

Kind = LoyaltyEntry.Kind
WHO = st.integers(0, 1)
LINE = st.tuples(st.integers(0, 2), st.sampled_from(["1", "2", "0.5", "3"]), st.integers(0, 400))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sale"), WHO, st.lists(LINE, min_size=1, max_size=3), st.integers(0, 6)),
        st.tuples(st.just("back"), st.integers(0, 9), st.integers(0, 2), st.sampled_from(["0.5", "1", "2", "3"])),
        st.tuples(st.just("back"), st.integers(0, 9), st.integers(0, 2), st.sampled_from(["0.5", "1", "2", "3"])),
        st.tuples(st.just("all_back"), st.integers(0, 9)),
        st.tuples(st.just("void"), st.integers(0, 9)),
        st.tuples(st.just("days"), st.sampled_from([1, 20, 200])),
        st.tuples(st.just("adjust"), WHO, st.integers(-60, 200)),
        st.tuples(st.just("replace"), WHO),
        st.tuples(st.just("household"), WHO, st.sampled_from([None, True, False])),
    ),
    max_size=14,
)


class AnyOrder(TestCase):
    people: list[Customer]
    products: list[Product]

    @classmethod
    def setUpTestData(cls) -> None:
        LoyaltyProgramme(
            redeem_points=10, redeem_worth_minor=77, expire_after_months=6, birthday_points=15, tier_months=3
        ).save()
        cls.people = [
            make.customer(card=f"2900000{n}", birth_date=(make.NOW + timedelta(days=n)).date().replace(year=1990))
            for n in (1, 2)
        ]
        cls.products = [
            make.product(price_minor=price, path=path) for price, path in ((333, "Food"), (1999, "Home"), (450, "Gift"))
        ]
        PointsRule.objects.create(name="more", factor=Decimal("1.37"), category=make.category("Food"))
        PointsRule.objects.create(name="none", factor=0, category=make.category("Gift"))
        Tier.objects.create(name="Silver", spend_minor=3000, factor=Decimal("1.5"))

    @settings(max_examples=40, deadline=None)
    @given(steps=STEPS)
    def test_the_books_balance(self, steps: list[Any]) -> None:
        self.now: datetime = make.NOW
        self.rung_up: list[Receipt] = []
        for name, *values in steps:
            step: Callable[..., None] = getattr(self, f"_{name}")
            try:
                with transaction.atomic():
                    step(*values)
            except (sales.SaleRefused, returns.ReturnRefused, voids.VoidRefused, ValidationError):
                pass  # what is refused must leave the books as they were
            self._balanced()

    def _sale(self, who: int, lines: list[tuple[int, str, int]], redeemed: int) -> None:
        customer = Customer.objects.get(pk=self.people[who].pk)
        sale = make.sale(
            *[make.line(self.products[p], quantity, discount_minor=off % 150) for p, quantity, off in lines],
            customer=customer,
            redeem_points=10 * redeemed,
        )
        spendable = loyalty.spendable(customer)
        self.rung_up.append(sales.record_sale(sale=sale, by=None, now=self.now))
        assert 10 * redeemed <= spendable

    def _take_back(self, sale: Receipt, wanted: list[tuple[ReceiptLine, Decimal]]) -> None:
        returns.record_return(
            return_=returns.Return(
                client_key=uuid.uuid4(),
                store=make.store(),
                original=sale,
                lines=[returns.ReturnLine(line=line, quantity=quantity) for line, quantity in wanted],
            ),
            by=None,
            now=self.now,
        )

    def _back(self, index: int, position: int, quantity: str) -> None:
        if self.rung_up:
            sale = self.rung_up[index % len(self.rung_up)]
            lines = list(ReceiptLine.objects.filter(receipt=sale).order_by("position"))
            self._take_back(sale, [(lines[position % len(lines)], Decimal(quantity))])

    def _all_back(self, index: int) -> None:
        if not self.rung_up:
            return
        sale = self.rung_up[index % len(self.rung_up)]
        left = [
            (line, line.quantity + (line.returned_by.aggregate(sum=Sum("quantity"))["sum"] or 0))
            for line in ReceiptLine.objects.filter(receipt=sale).order_by("position")
        ]
        self._take_back(sale, [(line, quantity) for line, quantity in left if quantity])
        total = Receipt.objects.filter(returns=sale).aggregate(sum=Sum("total_minor"))["sum"]
        assert -total == sale.total_minor
        assert self._moved(sale) == (0, 0)

    def _void(self, index: int) -> None:
        if self.rung_up:
            sale = self.rung_up[index % len(self.rung_up)]
            voids.void_sale(receipt=sale, reason="Wrong", by=None, now=self.now)
            assert self._moved(sale) == (0, 0)

    def _days(self, days: int) -> None:
        self.now += timedelta(days=days)
        loyalty.see_to_day(now=self.now)
        loyalty.see_to_day(now=self.now)

    def _adjust(self, who: int, points: int) -> None:
        loyalty.adjust_points(
            customer=self.people[who], points=points, reason="Because", by=None, now=self.now, key=uuid.uuid4()
        )

    def _replace(self, who: int) -> None:
        card = loyalty.card_of(self.people[who])
        assert card
        loyalty.replace_card(card=card, by=None, now=self.now)

    def _household(self, who: int, shares: bool | None) -> None:
        home = Household.objects.get_or_create(number="H1")[0]
        Customer.objects.filter(pk=self.people[who].pk).update(household=None if shares is None else home)
        if shares is not None:
            Household.objects.update(shares_points=shares)

    @staticmethod
    def _moved(sale: Receipt) -> tuple[int, int]:
        """What is left of the points that a sale earned, and of those redeemed for it."""
        sums = dict.fromkeys(Kind.values, 0)
        for kind, points in LoyaltyEntry.objects.filter(receipt=sale).values_list("kind", "points"):
            sums[kind] += points
        for kind, points in LoyaltyEntry.objects.filter(receipt__returns=sale).values_list("kind", "points"):
            sums[kind] += points
        return sums[Kind.EARN] + sums[Kind.TAKE_BACK], sums[Kind.REDEEM] + sums[Kind.GIVE_BACK]

    def _balanced(self) -> None:
        assert list(profiles.differences()) == []
        for person in self.people:
            points = LoyaltyEntry.objects.filter(customer=person).aggregate(sum=Sum("points", default=0))["sum"]
            assert CustomerProfile.objects.get(customer=person).points == points
            assert LoyaltyCard.objects.filter(customer=person, status="active").count() == 1
        for receipt in Receipt.objects.all():
            lines = ReceiptLine.objects.filter(receipt=receipt).aggregate(
                total=Sum("total_minor"), discount=Sum("discount_minor")
            )
            assert (receipt.total_minor, receipt.discount_minor) == (lines["total"], lines["discount"])
        for sale in Receipt.objects.filter(kind=ReceiptKind.SALE):
            self._within_bounds(sale)

    def _within_bounds(self, sale: Receipt) -> None:
        earned, redeemed = self._moved(sale)
        back = Receipt.objects.filter(returns=sale).aggregate(sum=Sum("total_minor", default=0))["sum"]
        assert sale.total_minor + back >= 0
        assert earned >= 0
        assert redeemed <= 0
        entries = list(LoyaltyEntry.objects.filter(receipt=sale, kind=Kind.REDEEM))
        if entries:
            shares = entries[0].shares or []
            assert [entry.shares for entry in entries] == [shares] * len(entries)
            assert sum(shares) * 10 == -sum(entry.points for entry in entries) * 77
            lines = ReceiptLine.objects.filter(receipt=sale).order_by("position")
            assert all(share <= line.discount_minor for share, line in zip(shares, lines, strict=True))
