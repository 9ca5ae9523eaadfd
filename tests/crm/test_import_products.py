import csv
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm import profiles
from crm.importing import ImportResult, bulk, import_file
from crm.models import Category, ChangeMark, CustomerCategory, Household, Product
from tests.crm import make
from tests.crm.make import a_customer, a_product, a_receipt
from tests.crm.test_import_receipts import structure

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def imported(kind: str, folder: Path, *lines: str) -> ImportResult:
    path = folder / f"{kind}.csv"
    path.write_text("\n".join(lines) + "\n")
    return import_file(kind=kind, path=path, now=NOW)


def counts(result: ImportResult) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, result.refused


def reasons(result: ImportResult) -> list[str]:
    assert result.errors_file is not None
    with result.errors_file.open(newline="") as file:
        return [cells[-1] for cells in list(csv.reader(file))[1:]]


HEADER = "sku,name,category,brand,price,barcode"


def test_products_are_created_updated_and_left_alone(tmp_path: Path) -> None:
    rows = [HEADER, "m1,Mjólk 1 l,Food > Dairy,Farm,1.255,4006381333931", "b1,Bread,Food,,,"]
    assert counts(imported("products", tmp_path, *rows)) == (2, 0, 0, 0)
    assert counts(imported("products", tmp_path, *rows)) == (0, 0, 2, 0)
    assert counts(imported("products", tmp_path, HEADER, "m1,,,,1.30,", "b1,,,,,")) == (0, 1, 1, 0)
    assert set(Product.objects.values_list("sku", "name", "category__path", "brand", "price_minor", "barcode")) == {
        ("m1", "Mjólk 1 l", "Food > Dairy", "Farm", 130, "4006381333931"),
        ("b1", "Bread", "Food", "", None, ""),
    }
    assert Product.objects.get(sku="m1").search_text == " mjolk 1 l farm m1"
    assert set(Category.objects.values_list("path", "parent__path")) == {("Food", None), ("Food > Dairy", "Food")}


def test_a_first_large_list_of_products_puts_back_every_key_and_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = structure(["crm_product"])
    monkeypatch.setattr(bulk, "LARGE", 2)
    with CaptureQueriesContext(connection) as queries:
        rows = [HEADER, "m1,Milk,Food > Dairy,,,", "b1,Bread,Food,,,"]
        assert counts(imported("products", tmp_path, *rows)) == (2, 0, 0, 0)
    assert any("DROP INDEX product_search" in query["sql"] for query in queries)
    assert structure(["crm_product"]) == before


def test_what_cannot_be_a_product_is_refused_alone(tmp_path: Path) -> None:
    a_product("known")
    result = imported(
        "products",
        tmp_path,
        HEADER,
        "m1,Milk,,,-1,",
        "m2,,,,,",
        "m3,Milk,,,,123",
        "m4,Milk,,,,123",
        "m3,Again,,,,",
        "known,,,,,",
    )
    assert counts(result) == (1, 0, 1, 4)
    assert reasons(result) == [
        "row 2: price: “-1” is negative.",
        "row 3: name: is missing, and the product is new.",
        "row 5: barcode: this is another product's barcode.",
        "row 6: sku: row 4 already describes this product.",
    ]


def test_a_product_that_moves_takes_its_past_sales_along(tmp_path: Path) -> None:
    ann = a_customer()
    receipt = a_receipt(ann, [(a_product("m1", make.category("Food")), "2", 500)], sold_on=date(2026, 3, 2))
    profiles.apply_receipts(receipt_ids=[receipt.pk])
    imported("products", tmp_path, HEADER, "m1,Milk,Drinks > Milk,,,")
    assert dict(CustomerCategory.objects.values_list("category__path", "spend_minor")) == {
        "Drinks": 500,
        "Drinks > Milk": 500,
    }
    assert profiles.differences() == []
    assert list(ChangeMark.objects.values_list("customer_id", flat=True)) == [ann.pk]


def test_households_know_who_decides(tmp_path: Path) -> None:
    ann = a_customer(number="1")
    Household.objects.create(number="old")
    rows = ["household_id,decision_maker", "new,1", "old,1", "empty,", "bad,nobody", "new,1"]
    result = imported("households", tmp_path, *rows)
    assert counts(result) == (2, 1, 0, 2)
    assert reasons(result) == [
        "row 5: decision_maker: no customer has this number.",
        "row 6: household_id: row 2 already describes this household.",
    ]
    assert dict(Household.objects.values_list("number", "decision_maker")) == {
        "new": ann.pk,
        "old": ann.pk,
        "empty": None,
    }
    assert counts(imported("households", tmp_path, *rows[:3], "empty,")) == (0, 0, 3, 0)
