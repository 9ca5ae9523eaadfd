import csv
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from crm import forgotten, marks, profiles
from crm.content import content_hash
from crm.importing import FileRefused, ImportResult, bulk, import_file
from crm.models import (
    Category,
    ChangeMark,
    Customer,
    CustomerProfile,
    LoyaltyCard,
    LoyaltyEntry,
    Product,
    Receipt,
    ReceiptLine,
    Store,
)
from tests.crm.make import a_customer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEADER = ["receipt_id", "sold_at", "store", "customer_id", "sku", "product", "category", "quantity", "unit_price"]
HEADER += ["discount", "line_total"]

Import = Callable[..., ImportResult]


@pytest.fixture
def import_rows(tmp_path: Path) -> Import:
    """Write rows to a CSV file and import them as receipts."""

    def run(rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER, **options: Any) -> ImportResult:
        with (tmp_path / "receipts.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return import_file(kind="receipts", path=tmp_path / "receipts.csv", now=NOW, **options)

    return run


def row(
    receipt_id: str = "1", sku: str = "milk", quantity: str = "1", line_total: str = "2.50", **cells: str
) -> list[str]:
    plain = {"receipt_id": receipt_id, "sold_at": "2026-03-02 10:00", "store": "North", "customer_id": "7", "sku": sku}
    plain |= {"quantity": quantity, "line_total": line_total, **cells}
    return [plain.get(name, "") for name in HEADER]


def receipts() -> list[tuple[str, str, int, int]]:
    return list(
        Receipt.objects.order_by("external_id", "kind").values_list(
            "external_id", "kind", "total_minor", "discount_minor"
        )
    )


def refused(result: ImportResult) -> list[tuple[str, str]]:
    """(first cell, reason) of each row of the error file."""
    assert result.errors_file is not None
    with result.errors_file.open(newline="") as file:
        return [(cells[0], cells[-1]) for cells in list(csv.reader(file))[1:]]


def test_a_receipt_comes_in_whole_with_all_that_it_names(import_rows: Import) -> None:
    result = import_rows(
        [
            row(
                sku="m1", product="Milk 1 l", category="Food > Dairy", quantity="2", unit_price="1.2575", line_total=""
            ),
            row(sku="m1", product="Milk 1 l", quantity="2", unit_price="1.2575", line_total=""),
            row(sku="b1", product="Bread", category="Food>Bakery", discount="0.50", line_total="1.99"),
            row("2", customer_id="", store="", quantity="0.355", unit_price="9.9999", line_total=""),
        ]
    )
    assert result.as_dict() == {
        "rows": 4,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "refused": 0,
        "returns_without_receipt": 0,
        "errors_file": None,
    }
    # 2 x 1.2575 = 2.515 is 2.52, rounded half up; 0.355 x 9.9999 = 3.5499... is 3.55
    assert receipts() == [("1", "sale", 252 + 252 + 199, 50), ("2", "sale", 355, 0)]
    lines = ReceiptLine.objects.order_by("receipt__external_id", "position")
    assert list(lines.values_list("position", "product__sku", "quantity", "unit_price", "total_minor")) == [
        (1, "m1", Decimal("2.000"), Decimal("1.257500"), 252),
        (2, "m1", Decimal("2.000"), Decimal("1.257500"), 252),
        (3, "b1", Decimal("1.000"), Decimal("2.490000"), 199),
        (1, "milk", Decimal("0.355"), Decimal("9.999900"), 355),
    ]
    assert list(Category.objects.values_list("path", flat=True)) == ["Food", "Food > Bakery", "Food > Dairy"]
    assert set(Product.objects.values_list("sku", "name", "category__path")) == {
        ("m1", "Milk 1 l", "Food > Dairy"),
        ("b1", "Bread", "Food > Bakery"),
        ("milk", "milk", None),
    }
    assert set(Store.objects.values_list("code", flat=True)) == {"North", "main"}
    customer = Customer.objects.get()
    assert (customer.number, customer.search_text) == ("7", " 7")
    assert set(Receipt.objects.values_list("external_id", "customer__number")) == {("1", "7"), ("2", None)}
    assert CustomerProfile.objects.get().receipts == 1
    assert profiles.differences() == []
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [customer.pk]
    assert not LoyaltyEntry.objects.exists()


def test_the_same_file_twice_changes_nothing(import_rows: Import) -> None:
    rows = [row(), row(), row("2", quantity="-1", line_total="-2.50")]
    assert import_rows(rows).created == 2
    before = (receipts(), list(ReceiptLine.objects.values()), list(CustomerProfile.objects.values()))
    ChangeMark.objects.all().delete()

    again = import_rows(rows)

    assert (again.created, again.unchanged, again.refused) == (0, 2, 0)
    assert (receipts(), list(ReceiptLine.objects.values()), list(CustomerProfile.objects.values())) == before
    assert not ChangeMark.objects.exists()


def test_the_same_numbers_written_otherwise_are_the_same_content(import_rows: Import) -> None:
    import_rows([row(quantity="1", unit_price="2.5", line_total="")])
    again = import_rows([row(quantity="1.000", unit_price="+2.50", line_total="", sold_at="2026-03-02T10:00:00Z")])
    assert (again.unchanged, again.refused) == (1, 0)


def test_a_known_receipt_with_other_content_is_refused_and_stays_as_it_was(import_rows: Import) -> None:
    import_rows([row(), row("2")])
    result = import_rows([row(line_total="2.51"), row("2"), row("3")])
    assert (result.created, result.unchanged, result.refused) == (1, 1, 1)
    assert receipts() == [("1", "sale", 250, 0), ("2", "sale", 250, 0), ("3", "sale", 250, 0)]
    [(receipt_id, reason)] = refused(result)
    assert receipt_id == "1"
    assert reason == "row 2: receipt_id: this receipt is known with other content; a recorded receipt is never changed."


def test_the_same_number_from_another_source_is_another_receipt(import_rows: Import) -> None:
    import_rows([row()])
    assert import_rows([row()], source="old till").created == 1
    assert sorted(Receipt.objects.values_list("source", "external_id")) == [("import", "1"), ("old till", "1")]


def test_one_bad_row_refuses_its_whole_receipt_and_nothing_else(import_rows: Import, tmp_path: Path) -> None:
    rows = [row(), row("2"), row(quantity="abc"), row("3"), row("2")]
    result = import_rows(rows)
    assert (result.rows, result.created, result.refused) == (5, 2, 1)
    assert receipts() == [("2", "sale", 500, 0), ("3", "sale", 250, 0)]
    reason = "quantity: “abc” is not a number (write it like 1234.56)."
    assert refused(result) == [
        ("1", f"row 2: Refused with row 4 of the same receipt: {reason}"),
        ("1", f"row 4: {reason}"),
    ]

    assert result.errors_file == tmp_path / "receipts.refused.csv"
    mended = result.errors_file.read_text().replace(",abc,", ",1,")
    (tmp_path / "mended.csv").write_text(mended)
    again = import_file(kind="receipts", path=tmp_path / "mended.csv", now=NOW)
    assert (again.rows, again.created, again.refused) == (2, 1, 0)
    assert receipts()[0] == ("1", "sale", 500, 0)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"quantity": "NaN"}, "quantity: “NaN” is not a number (write it like 1234.56)."),
        ({"quantity": "Infinity"}, "quantity: “Infinity” is not a number (write it like 1234.56)."),
        ({"quantity": "1e400"}, "quantity: “1e400” is not a number (write it like 1234.56)."),
        ({"quantity": "1,5,0"}, "quantity: “1,5,0” is not a number (write it like 1234.56)."),
        ({"quantity": "٣"}, "quantity: “٣” is not a number (write it like 1234.56)."),
        ({"quantity": ""}, "quantity: is missing."),
        ({"quantity": "1000000000"}, "quantity: “1000000000” is too large."),
        ({"quantity": "0.0004"}, "quantity: “0.0004” has more than 3 decimals."),
        ({"unit_price": "0.0000001"}, "unit_price: “0.0000001” has more than 6 decimals."),
        ({"line_total": "1" + "0" * 20}, "line_total: is too large."),
        ({"line_total": ""}, "unit_price: is missing, and so is line_total."),
        ({"line_total": "", "unit_price": "99999999999", "quantity": "99999"}, "quantity: is too large."),
        (
            {"unit_price": "-1"},
            "unit_price: “-1” is negative; the sign of a return is that of its quantity.",
        ),
        ({"discount": "-1"}, "discount: is negative; write a surcharge as a line of its own."),
        ({"line_total": "-1"}, "quantity: and the line's total have opposite signs."),
        (
            {"line_total": "", "unit_price": "1", "discount": "2"},
            "quantity: and the line's total have opposite signs.",
        ),
        (
            {"quantity": "-1", "line_total": "", "unit_price": "3", "discount": "1"},
            "discount: is positive where goods come back; make it negative, or give the line_total.",
        ),
        ({"sold_at": ""}, "sold_at: is missing."),
        ({"sold_at": "yesterday"}, "sold_at: “yesterday” is not a time (write it like 2026-12-31 18:30:00)."),
        (
            {"sold_at": "2026-02-30 10:00"},
            "sold_at: “2026-02-30 10:00” is not a time (write it like 2026-12-31 18:30:00).",
        ),
        ({"sold_at": "0001-01-01 00:00"}, "sold_at: “0001-01-01 00:00” is out of range."),
        ({"sold_at": "9999-12-31 23:59"}, "sold_at: “9999-12-31 23:59” is out of range."),
        ({"sold_at": "2026-12-31 10:00"}, "sold_at: “2026-12-31 10:00” lies in the future."),
        ({"sku": ""}, "sku: is missing."),
        ({"sku": "x" * 101}, "sku: is longer than 100 characters."),
        ({"product": "a\x00b"}, "product: holds a NUL character."),
        ({"category": "Food >> Milk"}, "category: “Food >> Milk” has an empty name in it."),
        ({"receipt_id": ""}, "receipt_id: is missing."),
        (
            {"quantity": "x", "sold_at": "y"},
            "sold_at: “y” is not a time (write it like 2026-12-31 18:30:00). "
            "quantity: “x” is not a number (write it like 1234.56).",
        ),
    ],
)
def test_a_bad_cell_is_named_with_its_row_and_reason(import_rows: Import, cells: dict[str, str], reason: str) -> None:
    result = import_rows([row("good"), row(**cells)])
    assert [why for _, why in refused(result)] == [f"row 3: {reason}"]
    assert (result.created, result.refused) == (1, 1)
    assert receipts() == [("good", "sale", 250, 0)]


def test_a_row_with_too_few_cells_refuses_its_receipt(import_rows: Import) -> None:
    result = import_rows([row(), row()[:-1], row("2"), [], ["", "", ""], [""] * len(HEADER)])
    assert (result.rows, result.created, result.refused) == (3, 1, 1)
    assert refused(result)[1] == ("1", "row 3: it has 10 cells where the header has 11.")


def test_mixed_signs_split_into_a_sale_and_a_return(import_rows: Import) -> None:
    result = import_rows(
        [
            row(line_total="10"),
            row(sku="old", quantity="-2", unit_price="1.5", line_total="", discount="-0.5"),
            row(sku="bag", quantity="0", line_total="0"),
            row("2", sku="old", quantity="-1", line_total="-3", discount="0.5"),
            row("2", sku="bag", quantity="0", line_total="0"),
        ]
    )
    assert (result.created, result.extra) == (3, {"returns_without_receipt": 2})
    assert receipts() == [("1", "return", -250, -50), ("1", "sale", 1000, 0), ("2", "return", -300, -50)]
    lines = ReceiptLine.objects.order_by("receipt__external_id", "receipt__kind", "position")
    assert list(lines.values_list("receipt__external_id", "position", "product__sku", "is_return")) == [
        ("1", 1, "old", True),
        ("1", 1, "milk", False),
        ("1", 2, "bag", False),
        ("2", 1, "old", True),
        ("2", 2, "bag", True),
    ]
    profile = CustomerProfile.objects.get()
    assert (profile.receipts, profile.returns, profile.spend_minor, profile.units) == (1, 2, 450, Decimal(-2))
    assert profiles.differences() == []


def test_a_return_is_linked_to_the_receipt_that_it_names(import_rows: Import) -> None:
    header = [*HEADER, "returns_receipt_id"]
    import_rows([row("1")])
    back = {"quantity": "-1", "line_total": "-2.50"}
    result = import_rows(
        [
            [*row("2"), ""],
            [*row("3", **back), "1"],
            [*row("4", **back), "2"],
            [*row("5", **back), "lost"],
        ],
        header=header,
    )
    assert (result.created, result.extra) == (4, {"returns_without_receipt": 1})
    assert dict(Receipt.objects.filter(kind="return").values_list("external_id", "returns__external_id")) == {
        "3": "1",
        "4": "2",
        "5": None,
    }


def test_rows_of_a_receipt_may_be_scattered_and_blank_where_another_row_speaks(import_rows: Import) -> None:
    result = import_rows([row(sku="a"), row("2", sku="b"), row(sku="c", store="", customer_id=""), row("2", sku="d")])
    assert (result.created, result.refused) == (2, 0)
    lines = ReceiptLine.objects.order_by("receipt__external_id", "position")
    assert list(lines.values_list("receipt__external_id", "product__sku", "customer__number")) == [
        ("1", "a", "7"),
        ("1", "c", "7"),
        ("2", "b", "7"),
        ("2", "d", "7"),
    ]


def test_rows_of_a_receipt_that_disagree_refuse_it(import_rows: Import) -> None:
    result = import_rows(
        [
            row("1"),
            row("1", store="South", customer_id="8"),
            row("2"),
            row("2", quantity="-1", line_total="-1", sold_at="2026-03-02 10:01"),
            row("3"),
        ]
    )
    assert (result.created, result.refused) == (1, 2)
    assert [reason for _, reason in refused(result)][::2] == [
        "row 2: store, customer_id: the rows of this receipt disagree.",
        "row 4: sold_at: the rows of this receipt disagree.",
    ]


@pytest.mark.parametrize(
    ("written", "zone", "sold_at", "sold_on"),
    [
        ("2026-03-02 23:30", "America/New_York", datetime(2026, 3, 3, 4, 30, tzinfo=UTC), date(2026, 3, 2)),
        ("2026-03-03 02:30", "UTC", datetime(2026, 3, 3, 2, 30, tzinfo=UTC), date(2026, 3, 2)),
        (
            "2026-03-03T02:30:15.25Z",
            "America/New_York",
            datetime(2026, 3, 3, 2, 30, 15, 250_000, UTC),
            date(2026, 3, 2),
        ),
        # The clock is put forward at 02:00, and put back at 02:00.
        ("2026-03-08 02:30", "America/New_York", datetime(2026, 3, 8, 7, 30, tzinfo=UTC), date(2026, 3, 8)),
        ("2025-11-02 01:30", "America/New_York", datetime(2025, 11, 2, 5, 30, tzinfo=UTC), date(2025, 11, 2)),
    ],
)
def test_a_time_without_offset_is_that_of_the_shop_or_of_the_zone_given(
    import_rows: Import, settings: Settings, written: str, zone: str, sold_at: datetime, sold_on: date
) -> None:
    settings.TIME_ZONE = "America/New_York"
    import_rows([row(sold_at=written)], time_zone=None if zone == settings.TIME_ZONE else zone)
    assert Receipt.objects.values_list("sold_at", "sold_on").get() == (sold_at, sold_on)


def test_the_hash_is_the_one_that_a_till_computes(import_rows: Import) -> None:
    import_rows(
        [
            row(sku='a"\\b', quantity="2", unit_price="1.10", discount="0.20", line_total=""),
            row(sku="ñ/я", quantity="0.500", line_total="2", sold_at="2026-03-02 10:00:00.000"),
        ]
    )
    expected = content_hash(
        kind="sale",
        store="North",
        customer="7",
        sold_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
        lines=[
            ('a"\\b', Decimal("2"), Decimal("1.1"), 20, None),
            ("ñ/я", Decimal("0.5"), None, 0, 200),
        ],
    )
    assert bytes(Receipt.objects.get().content_hash) == expected


def test_receipts_of_merged_and_erased_customers_and_by_card(import_rows: Import) -> None:
    survivor = a_customer(number="survivor")
    a_customer(number="merged", merged_into=a_customer(number="between", merged_into=survivor))
    a_customer(number="erased", erased_at=NOW)
    LoyaltyCard.objects.create(number="K1", customer=survivor)
    cards = [("by card", "", "K1"), ("both", "merged", "K1"), ("unknown", "", "K2"), ("other", "7", "K1")]
    result = import_rows(
        [
            *([*row(name, customer_id=number), card] for name, number, card in cards),
            [*row("gone", customer_id="erased"), ""],
            [*row("old", customer_id="merged"), ""],
        ],
        header=[*HEADER, "card_number"],
    )
    assert dict(Receipt.objects.values_list("external_id", "customer__number")) == {
        "by card": "survivor",
        "both": "survivor",
        "gone": None,
        "old": "survivor",
    }
    assert refused(result) == [
        ("unknown", "row 4: card_number: nobody has this card."),
        ("other", "row 5: card_number: this is another customer's card."),
    ]
    assert profiles.differences(customer_ids=[survivor.pk]) == []


def test_receipts_of_forgotten_numbers_and_cards_are_nobodys(import_rows: Import) -> None:
    forgotten.remember(values=[("number", "4711"), ("card", "K9")], now=NOW)
    lines = [("by number", "4711", ""), ("by card", "", "K9"), ("both", "4711", "K9"), ("other", "4712", "")]
    result = import_rows(
        [[*row(name, customer_id=number), card] for name, number, card in lines], header=[*HEADER, "card_number"]
    )
    assert (result.created, result.refused) == (4, 0)
    assert dict(Receipt.objects.values_list("external_id", "customer__number")) == {
        "by number": None,
        "by card": None,
        "both": None,
        "other": "4712",
    }
    assert list(Customer.objects.values_list("number", flat=True)) == ["4712"]
    assert profiles.differences() == []


def test_an_error_file_that_cannot_be_written_leaves_nothing_imported(import_rows: Import, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="nothing was imported"):
        import_rows([row(), row("2", quantity="x")], errors_path=tmp_path / "no folder" / "errors.csv")


def test_many_changed_customers_leave_one_mark_for_all(import_rows: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "MANY", 3)
    import_rows([row(str(number), customer_id=str(number)) for number in range(3)])
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [None]


def structure(tables: list[str]) -> list[tuple[str, str]]:
    """The keys, checks and indexes of these tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
             WHERE conrelid = ANY(%(tables)s::regclass[])
            UNION ALL
            SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
             WHERE indrelid = ANY(%(tables)s::regclass[])
             ORDER BY 1, 2
            """,
            {"tables": tables},
        )
        return cursor.fetchall()


def test_a_first_large_import_puts_back_every_key_and_index(
    import_rows: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ["crm_receipt", "crm_receiptline", "crm_customercategory"]
    before = structure(tables)
    monkeypatch.setattr(bulk, "LARGE", 2)
    with CaptureQueriesContext(connection) as first:
        assert import_rows([row(category="Food > Dairy"), row("2")]).created == 2
    dropped = [query["sql"] for query in first if "DROP CONSTRAINT" in query["sql"]]
    assert any("fk_crm_receipt_id" in statement for statement in dropped)
    assert any("line_position_once" in statement for statement in dropped)
    assert not any("customer_category_once" in statement for statement in dropped)  # the categories' upsert needs it
    assert structure(tables) == before
    assert profiles.differences() == []

    with CaptureQueriesContext(connection) as second:
        assert import_rows([row("3"), row("4")]).created == 2
    assert not any("ALTER TABLE" in query["sql"] or "DROP INDEX" in query["sql"] for query in second)
