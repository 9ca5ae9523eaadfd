"""A dry run does everything, shows what would come of it, and takes it back."""

import json
from collections.abc import Callable
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from crm.importing import ImportResult, import_file
from crm.models import Category, ChangeMark, Company, Consent, Customer, Household, LoyaltyCard, Product, Receipt, Store
from tests.crm import make

pytestmark = pytest.mark.django_db

Load = Callable[..., ImportResult]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(kind: str, *rows: str, **options: Any) -> ImportResult:
        path = tmp_path / f"{kind}.csv"
        path.write_text("\n".join([*rows, ""]))
        return import_file(kind=kind, path=path, now=make.NOW, **options)

    return run


def everything() -> list[int]:
    models = (Category, ChangeMark, Company, Consent, Customer, Household, LoyaltyCard, Product, Receipt, Store)
    return [model.objects.count() for model in models]


CUSTOMERS = [
    "customer_id,first_name,city,birth_date,household_id,company,card_number,consent_email,tags",
    "1,Anna,Riga,1980-01-02,H1,ACME,2900,yes,new; vip",
    "2,Bo,,,,,,,",
    "3,,,1.1.x,,,,,",
    "2,Again,,,,,,,",
    "4,New,Oulu,,,,,no,",
]


def test_customers_are_shown_before_and_after(load: Load, tmp_path: Path) -> None:
    make.customer("Anne Ozola", number="1", city="Riga", birth_date=date(1980, 1, 2), tags=["vip"])
    make.customer("Bo", number="2")
    before = everything()
    result = load("customers", *CUSTOMERS, dry_run=True)
    assert everything() == before
    assert Customer.objects.get(number="1").first_name == "Anne"
    assert (result.rows, result.created, result.updated, result.unchanged, result.refused) == (5, 1, 1, 1, 2)
    assert (result.errors_file, list(tmp_path.glob("*.refused.csv"))) == (None, [])
    assert result.samples
    assert result.samples.as_dict() == {
        "created": [
            {"row": 6, "values": {"customer_id": "4", "first_name": "New", "city": "Oulu", "consent_email": False}}
        ],
        "updated": [
            {
                "row": 2,
                "key": "1",
                "changes": {
                    "first_name": ["Anne", "Anna"],
                    "tags": [["vip"], ["new", "vip"]],
                    "household_id": [None, "H1"],
                    "company": [None, "ACME"],
                    "card_number": [None, "2900"],
                    "consent_email": [None, True],
                },
            }
        ],
        "refused": [
            {"row": 4, "reason": "birth_date: “1.1.x” is not a date (write it like 2026-12-31)."},
            {"row": 5, "reason": "customer_id: row 3 already says who this is."},
        ],
    }
    assert result.beside == {
        "households": {"count": 1, "names": ["H1"]},
        "companies": {"count": 1, "names": ["ACME"]},
    }
    assert result.as_dict()["dry_run"] is True

    done = load("customers", *CUSTOMERS)
    assert (done.created, done.updated, done.refused, done.beside) == (1, 1, 2, result.beside)


def test_products_are_shown_before_and_after(load: Load) -> None:
    make.product("Milk", sku="a", price_minor=100, path="Food")
    result = load(
        "products", "sku,name,price,category", "a,Milk,1.25,Food > Dairy", "b,Bread,2,Food > Bakery", dry_run=True
    )
    assert result.samples
    assert result.samples.updated == [
        {"row": 2, "key": "a", "changes": {"price": ["1", "1.25"], "category": ["Food", "Food > Dairy"]}}
    ]
    assert result.samples.created == [
        {"row": 3, "values": {"sku": "b", "name": "Bread", "price": "2", "category": "Food > Bakery"}}
    ]
    assert result.beside == {"categories": {"count": 2, "names": ["Food > Bakery", "Food > Dairy"]}}
    assert Product.objects.count() == 1


def test_receipts_are_shown_with_all_that_they_create_beside(load: Load) -> None:
    before = everything()
    result = load(
        "receipts",
        "receipt_id,sold_at,store,customer_id,sku,product,category,quantity,line_total",
        *(f"{number},2026-03-02,North,7,a,Milk,Food,1,2.5" for number in range(30)),
        dry_run=True,
    )
    assert everything() == before
    assert result.samples
    assert (result.created, len(result.samples.created)) == (30, 20)
    values = result.samples.created[0]["values"]
    assert values.pop("sold_at").startswith("2026-03-02T00:00:00")
    assert values == {
        "receipt_id": "0",
        "kind": "sale",
        "store": "North",
        "channel": "till",
        "customer_id": "7",
        "lines": 1,
        "total": "2.5",
    }
    assert result.beside == {
        "stores": {"count": 1, "names": ["North"]},
        "categories": {"count": 1, "names": ["Food"]},
        "products": {"count": 1, "names": ["a"]},
        "customers": {"count": 1, "names": ["7"]},
    }


def test_companies_and_households_are_shown_and_come_in(load: Load) -> None:
    decider = make.customer("A B", number="7")
    Company.objects.create(name="ACME", industry="toys", employees=5)
    rows = ["Firma;Branche;Mitarbeiter;Ansprechpartner", "ACME;;12;7", "Beta;food;1.200;", "Gamma;;;99"]
    result = load("companies", *rows, dry_run=True)
    assert result.samples
    assert result.samples.as_dict() == {
        "created": [{"row": 3, "values": {"company": "Beta", "industry": "food", "employees": 1200}}],
        "updated": [{"row": 2, "key": "ACME", "changes": {"employees": [5, 12], "decision_maker": [None, "7"]}}],
        "refused": [{"row": 4, "reason": "decision_maker: no customer has this number."}],
    }
    assert load("companies", *rows).created == 1
    assert load("companies", *rows).unchanged == 2
    assert list(Company.objects.values_list("name", "industry", "employees", "decision_maker")) == [
        ("ACME", "toys", 12, decider.pk),
        ("Beta", "food", 1200, None),
    ]
    shown = load("households", "household_id,decision_maker", "H1,7", dry_run=True).samples
    assert shown
    assert shown.created == [{"row": 2, "values": {"household_id": "H1", "decision_maker": "7"}}]


def command(kind: str, path: Path, **options: Any) -> str:
    call_command("import_file", kind, path, stdout=(out := StringIO()), verbosity=0, **options)
    return out.getvalue()


def test_the_command_takes_a_mapping_tries_out_and_guesses_one(tmp_path: Path) -> None:
    path, mapping = tmp_path / "kunden.csv", tmp_path / "map.json"
    path.write_bytes("Kundennummer;Vorname;Spitzname;kontakt\n1;Jürgen;Jo;a@b.example\n".encode("cp1252"))
    with pytest.raises(CommandError, match="The column “Spitzname” is unknown"):
        command("customers", path)
    assert json.loads(command("customers", path, show_map=True)) == {
        "Kundennummer": "customer_id",
        "Vorname": "first_name",
        "Spitzname": None,
        "kontakt": None,
    }
    mapping.write_text(json.dumps({"Spitzname": None, "kontakt": "email"}))
    shown = command("customers", path, map=str(mapping), dry_run=True)
    assert "Nothing was changed: this was a dry run." in shown
    assert "new, row 2: customer_id 1, first_name Jürgen, email a@b.example" in shown
    assert not Customer.objects.exists()
    assert json.loads(command("customers", path, map=str(mapping), json=True))["created"] == 1
    assert Customer.objects.get().first_name == "Jürgen"
    mapping.write_text("{")
    with pytest.raises(CommandError, match="cannot be read"):
        command("customers", path, map=str(mapping))


def test_the_command_asks_what_could_be_read_in_two_ways_and_takes_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "receipts.csv"
    path.write_text("receipt_id,sold_at,sku,quantity,line_total\n1,01/02/2026,a,1,2\n")
    with pytest.raises(CommandError, match="The dates of “sold_at” could be read in two ways"):
        command("receipts", path)
    command("receipts", path, date_order="dmy")
    assert Receipt.objects.get().sold_on == date(2026, 2, 1)
    path.write_text("receipt_id,sold_at,sku,quantity,line_total\n2,12/1/2010 8:26,a,1,2\n")
    assert "are read like 12/31/2026" in command("receipts", path)


def test_a_dry_run_with_refused_rows_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,gender\n1,perhaps\n")
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("import_file", "customers", path, dry_run=True, json=True, stdout=out)
    assert stopped.value.code == 1
    said = json.loads(out.getvalue())
    assert (said["refused"], said["errors_file"]) == (1, None)
    assert said["samples"]["refused"][0]["row"] == 2
