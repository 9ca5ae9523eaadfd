"""Sales, returns, claims, statements, imports, merges, their undoing and erasures, one after the other in any order.

After each step every profile, balance and flag is what a recount says; and once all merges are undone, every row is
whose it was when it came.
"""

import csv
import itertools
import tempfile
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from crm import consents, merge_fields, merging, profiles, returns, sales, voids
from crm.erasing import NothingToErase, erase_customer
from crm.importing import import_file
from crm.models import Consent, Customer, CustomerProfile, LoyaltyEntry, Merge, Receipt, ReceiptLine, WishlistItem
from tests.crm import make

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PEOPLE = 4
WHO = st.integers(0, PEOPLE - 1)
CHANNELS = st.sampled_from(["email", "sms"])
PRODUCT = st.integers(0, 2)
REFUSED = (sales.SaleRefused, returns.ReturnRefused, voids.VoidRefused, merging.MergeRefused, ValidationError)
FACTS: tuple[type[Any], ...] = (Receipt, LoyaltyEntry, WishlistItem)
COMPARED = tuple(name for part in merge_fields.PARTS.values() for name in part) + merge_fields._LISTS


class Shop(RuleBasedStateMachine):
    merges = Bundle("merges")

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.now: datetime = make.NOW
        self.numbers = itertools.count(1)
        self.products = [make.product(path=path) for path in ("Food > Milk", "Food", "Home")]
        self.people = [
            make.customer(
                name,
                registered=True,
                number=f"N{n}",
                card=f"29000{n}",
                email=f"{n % 2}@example.com",
                phone="" if n % 2 else f"+371 2000 000{n}",
                tags=[f"tag {n}"],
                city="Riga" if n else "",
            )
            for n, name in enumerate(("Anna Ozola", "Anna Ozola", "Ann Ozola", "Anna Liepa"))
        ]
        self.erased: set[int] = set()
        self.began: dict[int, dict[str, Any]] | None = self._fields()
        self.owner: dict[tuple[str, int], int] = {}
        self._note()

    def teardown(self) -> None:
        try:
            self._undo_everything()
        finally:
            transaction.set_rollback(True)
            self.undone.__exit__(None, None, None)

    # -- what happens ------------------------------------------------------------------------------------------------

    @rule(who=WHO, product=PRODUCT, quantity=st.sampled_from(["1", "2", "0.5"]))
    def sale(self, who: int, product: int, quantity: str) -> None:
        sale = make.sale(make.line(self.products[product], quantity), customer=self._seen(who))
        self._try(sales.record_sale, sale=sale, by=None, now=self.now)

    @rule(product=PRODUCT)
    def guest(self, product: int) -> None:
        make.receipt(make.line(self.products[product]), now=self.now)

    @rule(which=st.integers(0, 9), who=WHO)
    def claim(self, which: int, who: int) -> None:
        guests = list(Receipt.objects.filter(customer=None).order_by("pk"))
        if guests:
            self._try(sales.claim_receipt, receipt=guests[which % len(guests)], customer=self._seen(who), by=None)

    @rule(which=st.integers(0, 9), quantity=st.sampled_from(["0.5", "1"]))
    def take_back(self, which: int, quantity: str) -> None:
        sold = list(ReceiptLine.objects.filter(is_return=False).select_related("receipt").order_by("pk"))
        if sold:
            line = sold[which % len(sold)]
            back = returns.Return(
                client_key=uuid.uuid4(),
                store=make.store(),
                original=line.receipt,
                lines=[returns.ReturnLine(line=line, quantity=Decimal(quantity))],
            )
            self._try(returns.record_return, return_=back, by=None, now=self.now)

    @rule(who=WHO, channel=CHANNELS, granted=st.booleans(), days=st.integers(-3, 0))
    def say(self, who: int, channel: str, granted: bool, days: int) -> None:
        if self.people[who].pk not in self.erased:
            consents.record_consent(
                customer=self._seen(who),
                channel=channel,
                granted=granted,
                source="till",
                stated_at=self.now + timedelta(days=days),
                now=self.now,
            )

    @rule(who=WHO)
    def stop(self, who: int) -> None:
        person = self._seen(who)
        key = person.email_key
        consents.stop_address(channel="email", address_key=key, by_customer=person, source="link", stated_at=self.now)

    @rule(who=WHO, product=PRODUCT)
    def wish(self, who: int, product: int) -> None:
        if self.people[who].pk not in self.erased:
            root = self._root(who)
            known = {"customer": root, "product": self.products[product], "removed_at": None}
            WishlistItem.objects.get_or_create(**known, defaults={"added_at": self.now})

    @rule(who=WHO, product=PRODUCT, quantity=st.sampled_from([2, -1]))
    def import_receipts(self, who: int, product: int, quantity: int) -> None:
        number = next(self.numbers)
        row = {
            "receipt_id": number,
            "sold_at": self.now.isoformat(),
            "customer_id": f"N{who}",
            "sku": self.products[product].sku,
            "quantity": quantity,
            "line_total": f"{quantity * 5}.00",
        }
        self._import("receipts", row)

    @rule(who=WHO, answer=st.sampled_from(["yes", "no"]), phone=st.sampled_from(["", "+371 2999 9999"]))
    def import_customer(self, who: int, answer: str, phone: str) -> None:
        before = consents.current(customer=self._root(who), channel="sms")
        self._import("customers", {"customer_id": f"N{who}", "phone": phone, "consent_sms": answer})
        if before and not before.granted and self.people[who].pk not in self.erased:
            after = consents.current(customer=self._root(who), channel="sms")
            assert after and not after.granted  # an undated yes of a file is no newer than a no
        if self.people[who].pk not in self.erased:
            self.began = None  # fields were changed from outside: what they were is no longer known

    @rule(target=merges, into=WHO, gone=WHO, choice=st.sampled_from([{}, {"phone": "merged", "last_name": "merged"}]))
    def merge(self, into: int, gone: int, choice: dict[str, str]) -> Any:
        no = {
            channel
            for one in (into, gone)
            for channel in ("email", "sms")
            if (said := consents.current(customer=self._seen(one), channel=channel)) and not said.granted
        }
        try:
            made = merging.merge_customers(
                survivor=self._seen(into), merged=self._seen(gone), choices=choice, by=None, now=self.now
            )
        except merging.MergeRefused:
            return multiple()
        kept = CustomerProfile.objects.get(customer=made.survivor_id)
        assert not any(getattr(kept, f"consent_{channel}") for channel in no)
        return made.pk

    @rule(merge=consumes(merges))
    def undo(self, merge: int) -> None:
        found = Merge.objects.filter(pk=merge).first()
        if found is not None:
            self._try(merging.undo_merge, merge=found, by=None, now=self.now)

    @rule(who=WHO)
    def erase(self, who: int) -> None:
        try:
            erase_customer(customer=self._seen(who), by=None, now=self.now)
        except NothingToErase:
            return
        gone = set(Customer.objects.exclude(erased_at=None).values_list("pk", flat=True))
        self.owner = {fact: owner for fact, owner in self.owner.items() if owner not in gone}
        self.erased |= gone

    @rule(hours=st.integers(1, 48))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    # -- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def books_balance(self) -> None:
        self._note()
        assert profiles.differences() == []
        for customer in Customer.objects.filter(merged_into=None, erased_at=None):
            said = Consent.objects.filter(customer__in=[customer, *customer.merged_from.all()], purpose="marketing")
            profile = CustomerProfile.objects.get(customer=customer)
            for channel in ("email", "sms"):
                newest = max(said.filter(channel=channel), key=lambda one: (one.stated_at, one.pk), default=None)
                assert getattr(profile, f"consent_{channel}") is bool(newest and newest.granted)
            assert profile.points == sum(entry.points for entry in LoyaltyEntry.objects.filter(customer=customer))
        for gone in Customer.objects.exclude(merged_into=None).select_related("merged_into"):
            assert gone.merged_into and gone.merged_into.merged_into_id is None
            assert not Receipt.objects.filter(customer=gone).exists()
        lines = ReceiptLine.objects.select_related("receipt")
        assert [line.pk for line in lines if line.customer_id != line.receipt.customer_id] == []

    def _undo_everything(self) -> None:
        while standing := list(Merge.objects.filter(undone_at=None).order_by("pk")):
            free = [one for one in standing if not merging.undoable(one)]
            if not free:
                break
            merging.undo_merge(merge=free[len(standing) % len(free)], by=None, now=self.now)
        assert profiles.differences() == []
        owners = {
            (model.__name__, pk): owner
            for model in FACTS
            for pk, owner in model.objects.exclude(customer=None).values_list("pk", "customer")
        }
        assert owners == self.owner
        if self.began is not None:
            fields = self._fields()
            assert {pk: fields[pk] for pk in fields if pk not in self.erased} == {
                pk: self.began[pk] for pk in self.began if pk not in self.erased
            }

    def _note(self) -> None:
        """Whose each fact is when it is first seen; a claimed one from then on."""
        for model in FACTS:
            for pk, owner in model.objects.exclude(customer=None).values_list("pk", "customer"):
                self.owner.setdefault((model.__name__, pk), owner)

    def _fields(self) -> dict[int, dict[str, Any]]:
        return {row.pop("pk"): row for row in Customer.objects.values("pk", *COMPARED)}

    def _seen(self, who: int) -> Customer:
        return Customer.objects.get(pk=self.people[who].pk)

    def _root(self, who: int) -> Customer:
        seen = self._seen(who)
        return seen.merged_into or seen

    def _try(self, work: Any, **arguments: Any) -> None:
        try:
            with transaction.atomic():
                work(**arguments)
        except REFUSED:
            pass  # what is refused must leave everything as it was

    def _import(self, kind: str, row: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
                writer.writerow(row)
            import_file(kind=kind, path=path, now=self.now)


def test_whatever_happens_profiles_are_a_recount_and_merges_can_be_undone() -> None:
    run_state_machine_as_test(
        Shop,
        settings=settings(
            max_examples=30, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
