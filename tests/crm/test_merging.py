import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models, transaction

from crm import activity, consents, customers, merge_fields, merging, profiles, sales
from crm.importing import import_file
from crm.merging import MergeRefused
from crm.models import (
    ChangeMark,
    Company,
    Consent,
    Customer,
    CustomerCategory,
    CustomerProfile,
    DuplicatePair,
    ExternalId,
    Household,
    LoyaltyCard,
    LoyaltyEntry,
    Merge,
    MergeMove,
    Note,
    Receipt,
    ReceiptLine,
    Review,
    Suppression,
    Tier,
    TierAward,
    WebVisit,
    WishlistItem,
)
from tests.crm import make
from tests.crm.make import NOW

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(hours=1)


def merge(survivor: Customer, merged: Customer, **fields: Any) -> Merge:
    return merging.merge_customers(survivor=survivor, merged=merged, **{"by": None, "now": NOW, **fields})


def undo(made: Merge) -> Merge:
    return merging.undo_merge(merge=made, by=None, now=LATER)


def say(customer: Customer, granted: bool, *, days: int = 0, channel: str = "email") -> Consent:
    stated_at = NOW + timedelta(days=days)
    return consents.record_consent(
        customer=customer, channel=channel, granted=granted, source="till", stated_at=stated_at, now=stated_at
    )


def allows(customer: Customer, channel: str = "email") -> bool:
    return bool(getattr(CustomerProfile.objects.get(customer=customer), f"consent_{channel}"))


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of the records, as it stands; derived ones without their id, for they are made anew."""
    aside = {"merge", "mergemove", "changemark", "duplicatepair", "customercategory"}
    tables = [model for model in apps.get_app_config("crm").get_models() if model._meta.model_name not in aside]
    rows = {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in tables}
    columns = ("customer", "category", *profiles.CATEGORY_COLUMNS)
    rows["crm.CustomerCategory"] = list(CustomerCategory.objects.order_by(*columns[:2]).values(*columns))
    return rows


def test_every_link_to_a_customer_moves_or_stays_on_purpose() -> None:
    links = {
        f"{model._meta.model_name}.{field.name}"
        for model in apps.get_app_config("crm").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.related_model is Customer
    }
    moved = {f"{one.relation}.{one.column.removesuffix('_id')}" for one in merging.MOVES}

    assert links == moved | {merging.LINES} | set(merging.STAYS)
    assert not moved & set(merging.STAYS)


def test_every_column_of_a_customer_is_merged_or_kept_on_purpose() -> None:
    columns = {field.attname for field in Customer._meta.concrete_fields}
    chosen = {name for part in merge_fields.PARTS.values() for name in part}
    combined = set(merge_fields._combined(Customer(), Customer()))

    assert columns == chosen | combined | set(merge_fields.KEPT_AS_THEY_ARE)
    assert len(columns) == len(chosen) + len(combined) + len(merge_fields.KEPT_AS_THEY_ARE)


def two_with_everything() -> tuple[Customer, Customer]:
    """Both bought, wished, wrote and are known elsewhere; what both have in common can't be there twice."""
    into = make.customer("Anna Ozola", card="A1", registered=True, email="anna@example.com")
    gone = make.customer("Anna Ozola", card="A2", registered=True, phone="+371 2000 0001", city="Riga")
    shirt, mug = make.product("Shirt", path="Clothes > Shirts"), make.product("Mug", path="Home")
    tier = Tier.objects.create(name="Gold", spend_minor=10**9)
    for one in (into, gone):
        make.receipt(make.line(shirt), customer=one)
        WishlistItem.objects.create(customer=one, product=mug, added_at=NOW)
        Review.objects.create(customer=one, product=mug, rating=4, written_at=NOW)
        Note.objects.create(customer=one, text="Likes blue")
        ExternalId.objects.create(customer=one, system="shop", value=one.number)
        WebVisit.objects.create(customer=one, visitor="v", path="/", visited_at=NOW, visited_on=NOW.date())
        TierAward.objects.create(customer=one, tier=tier, reached_on=date(2026, 5, 1), ends_on=date(2027, 5, 1))
    WishlistItem.objects.create(customer=gone, product=shirt, added_at=NOW)
    TierAward.objects.create(customer=gone, tier=tier, reached_on=date(2026, 4, 1), ends_on=date(2027, 4, 1))
    make.receipt(make.line(mug, "2"), customer=gone)
    Household.objects.create(number="H", decision_maker=gone)
    Company.objects.create(name="Firm", decision_maker=gone)
    return into, gone


def test_what_the_merged_one_did_is_the_survivors_and_both_profiles_say_so() -> None:
    into, gone = two_with_everything()
    ChangeMark.objects.all().delete()

    made = merge(into, gone)

    for model, mine, left in (
        (Receipt, 3, 0),
        (ReceiptLine, 3, 0),
        (LoyaltyEntry, 3, 0),
        (LoyaltyCard, 2, 0),
        (WishlistItem, 2, 1),
        (Review, 2, 0),
        (Note, 2, 0),
        (ExternalId, 2, 0),
        (WebVisit, 2, 0),
        (TierAward, 2, 1),
    ):
        found = (model.objects.filter(customer=into).count(), model.objects.filter(customer=gone).count())
        assert (model.__name__, *found) == (model.__name__, mine, left)
    assert Household.objects.get().decision_maker == Company.objects.get().decision_maker == into
    assert CustomerProfile.objects.get(customer=into).receipts == 3
    assert CustomerProfile.objects.get(customer=into).points == 40
    assert CustomerProfile.objects.get(customer=gone).receipts == 0
    assert profiles.differences() == []
    assert sorted(ChangeMark.objects.values_list("customer", flat=True)) == sorted([into.pk, gone.pk])
    gone.refresh_from_db()
    assert gone.merged_into == into
    assert (made.survivor, made.merged, made.undone_at) == (into, gone, None)


def test_undoing_brings_back_every_row_as_it_was() -> None:
    into, gone = two_with_everything()
    before = everything()

    made = merge(into, gone)
    assert everything() != before
    made = undo(made)

    assert everything() == before
    assert profiles.differences() == []
    assert (made.undone_at, MergeMove.objects.filter(merge=made).exists()) == (LATER, True)


def test_what_happens_after_the_merge_stays_with_the_survivor() -> None:
    into, gone = make.customer(), make.customer(card="A2")
    make.receipt(customer=gone)
    made = merge(into, gone)
    make.receipt(customer=into)
    make.receipt(customer=gone)

    undo(made)

    assert Receipt.objects.filter(customer=gone).count() == 1
    assert Receipt.objects.filter(customer=into).count() == 2
    assert profiles.differences() == []


def test_blank_fields_are_filled_and_different_ones_chosen() -> None:
    into = make.customer("Anna Ozola", email="anna@example.com", tags=["vip"], city="Riga")
    gone = make.customer(
        "Anna Liepa",
        email="liepa@example.com",
        phone="+371 2000 0001",
        birth_date=date(1990, 2, 3),
        tags=["new", "vip"],
        city="Riga",
        postcode="LV-1010",
        no_profiling=True,
    )

    made = merge(into, gone, choices={"last_name": "merged", "email": "survivor"})

    into.refresh_from_db()
    assert (into.last_name, into.email, into.phone) == ("Liepa", "anna@example.com", "+371 2000 0001")
    assert (into.birth_date, into.tags, into.postcode) == (date(1990, 2, 3), ["vip", "new"], "LV-1010")
    assert into.no_profiling is True
    assert (into.phone_key, into.name_words == "anna liepa") == ("+37120000001", True)
    assert made.changes["last_name"] == ["Ozola", "Liepa"]
    assert made.changes["birth_date"] == [None, "1990-02-03"]
    assert "email" not in made.changes


def test_an_address_is_taken_whole_or_not_at_all() -> None:
    into = make.customer(city="Riga", country="LV")
    gone = make.customer(address="Gedimino 1", city="Vilnius", postcode="01103")
    other = make.customer(address="Brivibas 1", city="Riga")

    merge(into, gone)
    into.refresh_from_db()
    assert (into.address, into.city, into.postcode) == ("", "Riga", "")

    merge(into, other)
    into.refresh_from_db()
    assert (into.address, into.city, into.country) == ("Brivibas 1", "Riga", "LV")


def test_undoing_leaves_a_field_that_somebody_has_changed_since() -> None:
    into = make.customer("Anna Ozola")
    gone = make.customer("Anna Liepa", phone="+371 2000 0001", birth_date=date(1990, 2, 3))
    made = merge(into, gone, choices={"last_name": "merged"})
    customers.change_customer(customer=into, phone="+371 2000 0009")

    undo(made)

    into.refresh_from_db()
    assert (into.last_name, into.birth_date, into.phone) == ("Ozola", None, "+371 2000 0009")
    assert into.name_words == "anna ozola"


@pytest.mark.parametrize("first_undone", [0, 1])
def test_two_merges_into_one_survivor_are_undone_in_any_order(first_undone: int) -> None:
    into = make.customer("Anna Ozola")
    gone = make.customer("Anna Ozola", email="one@example.com", tags=["a"])
    other = make.customer("Anna Ozola", email="two@example.com", tags=["b"])
    for one in (into, gone, other):
        make.receipt(customer=one)
    say(gone, False)
    say(other, True, days=1)
    before = everything()
    made = [merge(into, gone), merge(into, other, choices={"email": "merged"})]

    undo(made[first_undone])
    undo(made[1 - first_undone])

    after = everything()
    assert len(after.pop("crm.Consent")) - len(before.pop("crm.Consent")) == 1
    assert after == before
    assert profiles.differences() == []


@pytest.mark.parametrize(
    ("survivor", "merged", "result"),
    [
        ([(0, True)], [(1, False)], False),
        ([(1, True)], [(0, False)], False),
        ([(0, False)], [(1, True)], False),
        ([(1, False)], [(0, True)], False),
        ([(0, True)], [(1, True)], True),
        ([], [(0, True)], True),
        ([(0, True)], [], True),
        ([(0, False), (1, True)], [(0, True)], True),
        ([(0, True), (1, False)], [(2, True)], False),
    ],
)
def test_no_merge_turns_a_no_into_a_yes(
    survivor: list[tuple[int, bool]], merged: list[tuple[int, bool]], result: bool
) -> None:
    into, gone = make.customer(), make.customer()
    for customer, said in ((into, survivor), (gone, merged)):
        for days, granted in said:
            say(customer, granted, days=days)
    before = (allows(into), allows(gone))

    made = merge(into, gone, now=NOW + timedelta(days=3))
    assert (allows(into), allows(gone)) == (result, False)
    current = consents.current(customer=into, channel="email")
    assert (current is not None and current.granted) is result
    assert profiles.differences() == []

    undo(made)
    assert (allows(into), allows(gone)) == before
    assert profiles.differences() == []


def test_a_later_yes_of_the_merged_person_counts_and_stays_with_the_survivor() -> None:
    into, gone = make.customer(), make.customer()
    say(into, True)
    say(gone, False)
    made = merge(into, gone)

    said = say(gone, True, days=1)
    assert (said.customer_id, allows(into)) == (into.pk, True)

    undo(made)
    assert (allows(into), allows(gone)) == (True, False)


def test_a_no_by_address_reaches_records_that_were_merged_away() -> None:
    into = make.customer(email="a@example.com")
    gone = make.customer(email="b@example.com")
    say(gone, True)
    made = merge(into, gone)
    assert allows(into)

    consents.stop_address(
        channel="email", address_key="b@example.com", by_customer=into, source="unsubscribe link", stated_at=LATER
    )
    assert not allows(into)
    assert profiles.differences() == []

    undo(made)
    assert not allows(gone)


@pytest.mark.parametrize(("choice", "no_is_said"), [("survivor", True), ("merged", False)])
def test_a_suppressed_address_silences_the_person_at_the_other_one(choice: str, no_is_said: bool) -> None:
    into, gone = make.customer(email="a@example.com"), make.customer(email="b@example.com")
    say(into, True)
    say(gone, True)
    consents.suppress(channel="email", address_key="b@example.com", reason=Suppression.Reason.COMPLAINED)

    merge(into, gone, choices={"email": choice})

    into.refresh_from_db()
    kept = consents.suppressed(channel="email", address_keys=[into.email_key])
    assert (bool(kept), not allows(into)) == (not no_is_said, no_is_said)
    assert Consent.objects.filter(source="merge", customer=gone).count() == no_is_said


def test_the_record_named_by_merged_ones_is_always_the_live_one() -> None:
    first, second, third = (make.customer() for _ in range(3))
    make.receipt(customer=first)
    inner = merge(second, first)
    outer = merge(third, second)

    first.refresh_from_db()
    assert first.merged_into == third
    assert Receipt.objects.get().customer == third
    with pytest.raises(MergeRefused, match=r"was merged into another record after this\. Undo that merge first"):
        undo(inner)
    assert merging.undoable(Merge.objects.get(pk=inner.pk)) != ""

    undo(outer)
    first.refresh_from_db()
    assert first.merged_into == second
    undo(inner)
    assert Receipt.objects.get().customer == first
    assert profiles.differences() == []


def test_what_can_not_be_merged_is_refused_in_words() -> None:
    one, other, third = (make.customer() for _ in range(3))
    erased = make.customer(erased_at=NOW)
    for args, words in (
        ((one, one), "one and the same record"),
        ((one, erased), "deleted at their wish"),
        ((erased, one), "deleted at their wish"),
    ):
        with pytest.raises(MergeRefused, match=words):
            merge(*args)
    with pytest.raises(MergeRefused, match=r"no such choice: shoe_size"):
        merge(one, other, choices={"shoe_size": "merged"})
    made = merge(one, other)
    for args, words in (
        ((one, other), "merged already"),
        ((other, one), "has gone up in another record"),
        ((third, other), "has gone up in another record"),
    ):
        with pytest.raises(MergeRefused, match=words):
            merge(*args)
    undo(made)
    with pytest.raises(MergeRefused, match="undone already"):
        undo(made)
    assert Merge.objects.count() == 1


def test_a_merge_of_somebody_erased_since_is_not_undone() -> None:
    one, other = make.customer(), make.customer()
    made = merge(one, other)
    Customer.objects.filter(pk=one.pk).update(erased_at=NOW)

    with pytest.raises(MergeRefused, match="deleted at their wish"):
        undo(made)


def test_merging_settles_the_pair_and_undoing_sets_it_aside() -> None:
    one, other = make.customer(), make.customer()
    pair = DuplicatePair.objects.create(first=one, second=other, score=0.9)
    boss = User.objects.create(username="boss")

    made = merge(other, one, by=boss)
    pair.refresh_from_db()
    assert (pair.status, pair.decided_by) == ("same", boss)

    undo(made)
    pair.refresh_from_db()
    assert pair.status == "later"


def test_a_sale_for_a_merged_away_customer_is_the_survivors() -> None:
    into, gone = make.customer(registered=True), make.customer()
    seen_before = Customer.objects.get(pk=gone.pk)
    merge(into, gone)
    sale = make.sale(customer=seen_before)

    receipt = sales.record_sale(sale=sale, by=None, now=NOW)
    again = sales.record_sale(sale=sale, by=None, now=NOW)

    assert (receipt.pk, receipt.customer_id) == (again.pk, into.pk)
    assert set(ReceiptLine.objects.values_list("customer", flat=True)) == {into.pk}
    assert LoyaltyEntry.objects.get().customer == into
    assert profiles.differences() == []


def test_what_a_merged_away_customer_does_is_the_survivors() -> None:
    survivor, merged, product = make.customer("Anna"), make.customer("Anna B"), make.product("Tea")
    stale = Customer.objects.get(pk=merged.pk)
    merge(survivor, merged)
    ChangeMark.objects.all().delete()

    visit = activity.Visit(key=uuid.uuid4(), visitor="browser", path="/", visited_at=NOW, customer=stale)
    activity.record_visits(visits=[visit], now=NOW)
    activity.wish(customer=stale, product=product, now=NOW)
    activity.write_review(
        key=uuid.uuid4(), customer=stale, product=product, rating=5, text="Good", written_at=NOW, now=NOW
    )

    kept = [model.objects.values_list("customer", flat=True).get() for model in (WebVisit, WishlistItem, Review)]
    assert kept == [survivor.pk] * 3
    assert set(ChangeMark.objects.values_list("customer", flat=True)) == {survivor.pk}


def test_a_guests_receipt_is_claimed_for_the_survivor() -> None:
    into, gone = make.customer(), make.customer()
    seen_before = Customer.objects.get(pk=gone.pk)
    receipt = make.receipt()
    merge(into, gone)

    assert sales.claim_receipt(receipt=receipt, customer=seen_before, by=None)
    assert Receipt.objects.get().customer == into
    assert profiles.differences() == []


def _beside(*works: Callable[[], Any]) -> list[Any]:
    """What each returned or raised, all begun at the same moment."""
    start = threading.Barrier(len(works))
    found: list[Any] = [None] * len(works)

    def run(index: int, work: Callable[[], Any]) -> None:
        try:
            start.wait()
            found[index] = work()
        except Exception as error:
            found[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index, work)) for index, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.django_db(transaction=True)
def test_sales_that_arrive_during_the_merge_are_never_lost() -> None:
    into, gone = make.customer(registered=True), make.customer(registered=True)
    products = [make.product(path=f"Clothes > {n}") for n in range(4)]
    for _ in range(3):
        make.receipt(make.line(products[0]), customer=gone)

    def sell() -> list[Receipt]:
        person = Customer.objects.get(pk=gone.pk)
        return [make.receipt(make.line(products[n % 4]), customer=person) for n in range(8)]

    found = _beside(sell, lambda: merge(into, gone), sell)

    assert [type(one) for one in found] == [list, Merge, list]
    assert Receipt.objects.filter(customer=into).count() == 19
    assert ReceiptLine.objects.filter(customer=into).count() == 19
    assert CustomerProfile.objects.get(customer=into).points == 190
    assert profiles.differences() == []

    undo(found[1])
    assert profiles.differences() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_merges_of_one_record_at_once_one_is_refused() -> None:
    one, other, gone = (make.customer() for _ in range(3))
    make.receipt(customer=gone)

    found = _beside(lambda: merge(one, gone), lambda: merge(other, gone))

    assert sorted(type(result).__name__ for result in found) == ["Merge", "MergeRefused"]
    assert Merge.objects.count() == 1
    assert profiles.differences() == []


@pytest.mark.django_db(transaction=True)
def test_two_merges_against_each_other_do_not_close_a_circle() -> None:
    one, other = make.customer(), make.customer()

    found = _beside(lambda: merge(one, other), lambda: merge(other, one))

    assert sorted(type(result).__name__ for result in found) == ["Merge", "MergeRefused"]
    assert customers.live().count() == 1


@pytest.mark.django_db(transaction=True)
def test_statements_during_the_merge_are_the_survivors() -> None:
    into, gone = make.customer(), make.customer()

    found = _beside(lambda: merge(into, gone), lambda: [say(gone, n % 2 == 0, days=n) for n in range(9)])

    assert [type(one) for one in found] == [Merge, list]
    assert allows(into)
    assert profiles.differences() == []


@pytest.mark.django_db(transaction=True)
def test_a_merge_waits_for_no_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    one, other = make.customer(), make.customer()
    inside, done = threading.Event(), threading.Event()

    def importing() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('regulars import'))")
            inside.set()
            done.wait(30)
        connection.close()

    thread = threading.Thread(target=importing)
    thread.start()
    inside.wait(30)
    try:
        monkeypatch.setattr("crm.turns.PATIENCE_MS", 100)
        with pytest.raises(MergeRefused, match="an import is running"):
            merge(one, other)
    finally:
        done.set()
        thread.join()
    merge(one, other)


def test_an_imported_receipt_of_a_merged_number_goes_to_the_survivor(tmp_path: Any) -> None:
    into, gone = make.customer(number="kept"), make.customer(number="gone")
    merge(into, gone)
    path = tmp_path / "receipts.csv"
    path.write_text("receipt_id,sold_at,customer_id,sku,quantity,line_total\n1,2026-05-01 10:00,gone,A,1,5.00\n")

    import_file(kind="receipts", path=path, now=NOW)

    assert Receipt.objects.get().customer == into
    assert profiles.differences() == []


def test_two_thousand_receipts_are_merged_and_taken_apart_quickly() -> None:
    into, gone = make.customer(registered=True), make.customer(registered=True)
    product = make.product(path="Clothes > Shirts")
    store = make.store()
    rows = [
        Receipt(
            source="test",
            external_id=str(n),
            kind="sale",
            content_hash=b"0",
            store=store,
            customer=gone,
            sold_at=datetime(2026, 1, 1, tzinfo=UTC),
            sold_on=date(2026, 1, 1),
            total_minor=100,
        )
        for n in range(2_000)
    ]
    receipts = Receipt.objects.bulk_create(rows)
    ReceiptLine.objects.bulk_create(
        ReceiptLine(
            receipt=receipt,
            position=n,
            product=product,
            customer=gone,
            sold_on=date(2026, 1, 1),
            quantity=1,
            unit_price=1,
            total_minor=50,
        )
        for receipt in receipts
        for n in (1, 2)
    )
    profiles.recount()

    began = time.monotonic()
    made = merge(into, gone)
    merged_in = time.monotonic() - began
    undo(made)
    undone_in = time.monotonic() - began - merged_in

    assert (merged_in < 3, undone_in < 3) == (True, True), (merged_in, undone_in)
    assert profiles.differences() == []


def import_customers(tmp_path: Any, *rows: str) -> Any:
    path = tmp_path / "customers.csv"
    head = "customer_id,first_name,phone,address,city,tags,consent_email,card_number"
    path.write_text("\n".join([head, *rows]) + "\n")
    return import_file(kind="customers", path=path, now=NOW)


def test_an_imported_row_of_a_merged_number_fills_what_the_survivor_lacks(tmp_path: Any) -> None:
    into = make.customer("Anna Ozola", number="kept", city="Riga")
    gone = make.customer("Ann Ozola", number="gone")
    merge(into, gone)
    row = "gone,Ann,+371 2000 0001,Somewhere 1,Liepaja,vip,yes,A77"

    first = import_customers(tmp_path, row)
    again = import_customers(tmp_path, row)

    into.refresh_from_db()
    gone.refresh_from_db()
    assert (into.first_name, into.phone_key, into.city, into.address) == ("Anna", "+37120000001", "Riga", "")
    assert (into.tags, allows(into)) == (["vip"], True)
    assert LoyaltyCard.objects.get(number="A77").customer == into
    assert (gone.phone, gone.first_name) == ("", "Ann")
    assert (first.updated, first.unchanged, again.updated, again.unchanged) == (1, 0, 0, 1)
    assert profiles.differences() == []


def test_rows_of_both_numbers_speak_for_the_survivor_the_strictest_first(tmp_path: Any) -> None:
    into, gone = make.customer("Anna Ozola", number="kept"), make.customer(number="gone")
    merge(into, gone)
    rows = ("gone,Ann,+371 2000 0001,,,,no,", "kept,Anne,,,,,yes,")

    first = import_customers(tmp_path, *rows)
    again = import_customers(tmp_path, *rows)

    into.refresh_from_db()
    assert (into.first_name, into.phone_key, allows(into)) == ("Anne", "+37120000001", False)
    assert (first.rows, first.updated, first.unchanged) == (2, 1, 1)
    assert (again.updated, again.unchanged) == (0, 2)


def test_no_file_turns_a_merged_records_no_into_a_yes(tmp_path: Any) -> None:
    into, gone = make.customer(number="kept"), make.customer(number="gone")
    say(gone, False)
    merge(into, gone)

    done = import_customers(tmp_path, "kept,,,,,,yes,")

    assert (allows(into), done.extra["withdrawals_kept"]) == (False, 1)


def test_whoever_knows_the_merged_ones_number_or_address_finds_the_survivor() -> None:
    into = make.customer(email="new@example.com")
    gone = make.customer(number="OLD-7", email="old@example.com", phone="+371 2000 0007", card="290007")
    merge(into, gone)

    for text in ("OLD-7", "old@example.com", "+371 2000 0007", "290007", "new@example.com"):
        assert (text, [one.pk for one in customers.search(text=text)]) == (text, [into.pk])
    assert [one.pk for one in customers.by_card(number="OLD-7")] == [into.pk]
