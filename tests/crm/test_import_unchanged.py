"""Rows that say nothing new are told by the database: nobody reads them, and nothing comes out otherwise."""

import csv
import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch

from crm import merging
from crm.importing import import_file, unchanged
from crm.importing.customers import CustomerImporter
from crm.importing.raw import NotPlain, RawFile, may_be_plain
from crm.importing.reading import CsvFile, FileRefused
from crm.models import Consent, Customer, LoyaltyCard

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

LIST = """\
customer_id,first_name,last_name,email,phone,birth_date,tags,city,household_id,company,card_number,consent_email
1,Anna,Ozola,anna@example.com,+371 20000001,1980-02-29,club;vip,"Rīga, Centrs",H1,"SIA ""Rota"" LV",2901,yes
2,Jānis,Bērziņš,,+371 20000002,,,Rīga,H1,,2902,no
3,Иван,Иванов,ivan@example.com,,1990-12-31,club,,,,,
"""


def take(text: str | bytes, **options: Any) -> dict[str, Any]:
    """What became of the import of such a file, the refused rows with their reasons included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            result = import_file(kind="customers", path=path, now=NOW, **options)
        except FileRefused as refused:
            return {"refused": str(refused).replace(folder, "")}
        said = result.as_dict()
        errors = said.pop("errors_file")
        return said | {"errors": Path(errors).read_text() if errors else ""}


def shop() -> list[Any]:
    """All that an import of customers can change."""
    derived = {"id", "public_id", "created_at", "household", "company", "merged_into"}
    names = [field.name for field in Customer._meta.fields if field.name not in derived]
    return [
        sorted(Customer.objects.values_list(*names, "household__number", "company__name")),
        sorted(Consent.objects.values_list("customer__number", "channel", "granted", "stated_at", "source")),
        sorted(LoyaltyCard.objects.values_list("number", "customer__number")),
    ]


def test_nobody_reads_the_rows_of_a_list_that_is_as_it_was(monkeypatch: MonkeyPatch) -> None:
    take(LIST)
    before = shop()
    monkeypatch.setattr(CustomerImporter, "encoder", lambda *_arguments: pytest.fail)

    result = take(LIST)

    assert (result["rows"], result["unchanged"], result["errors"]) == (3, 3, "")
    assert shop() == before


@pytest.mark.parametrize(
    "change",
    [
        ("1,Anna", "1,Anita"),
        ("club;vip", "vip;club"),
        ("1980-02-29", "1980-02-28"),
        ("2902,no", "2902,yes"),
        ("2902", "2901"),
        ("H1,,2902", "H2,,2902"),
        ("SIA ", "SIA  "),
        ("1980-02-29", "1980-02-30"),
        ("1,Anna", "1, Anna"),
        ("3,Иван", "3 ,Иван"),
        ("3,Иван", "1,Иван"),
        ("3,Иван", "1 ,Иван"),
        ("3,Иван", "'1,Иван"),
        ("club,,,,,\n", "club,,,,,\n\n,,,,,,,,,,,\n4,Zoë,,,,,,,,,,\n"),
        ("club,,,,,\n", "club,,,,,,\n5,Zoë\n"),
        ("3,Иван", '3,"Ив"ан'),
    ],
)
def test_one_changed_row_is_found_among_the_others(change: tuple[str, str]) -> None:
    take(LIST)
    text = LIST.replace(*change)

    assert both_ways(text) == []


def test_a_list_in_another_encoding_with_other_signs_is_compared_as_well(monkeypatch: MonkeyPatch) -> None:
    take(LIST)
    monkeypatch.setattr(CustomerImporter, "encoder", lambda *_arguments: pytest.fail)
    text = "customer_id;first_name;birth_date;tags\r\n3;Иван;31.12.1990;club\r\n2;;;\r\n"

    result = take(text.encode("cp1251"))

    assert (result["rows"], result["unchanged"]) == (2, 2)


def test_what_a_survivor_or_an_old_number_says_goes_the_usual_way() -> None:
    take(LIST)
    people = {customer.number: customer for customer in Customer.objects.all()}
    merging.merge_customers(survivor=people["3"], merged=people["2"], by=None, now=NOW)

    assert both_ways(LIST.replace("2902", "2904"), dry_run=True) == []


@pytest.mark.parametrize(
    "address", ["Rīgas  iela", " Rīga", "Ri\u0304ga", "'=Rīga", "Rīga\u00a01", "Rīga\t1", "Rīga\\"]
)
def test_a_known_cell_that_an_import_writes_otherwise_is_mended_by_it(address: str) -> None:
    take(LIST)
    Customer.objects.filter(number="1").update(address=address)

    assert both_ways(f"customer_id,address\n1,{address}\n2,\n") == []


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3", "4", "1 ", "'2", "", "3.0"]),
        st.sampled_from(
            ["Anna", "Ann", "", " Anna", "An  na", "Jānis", "Ja\u0304nis", 'An"na', "Иван", "Anna\tB", "Iv,an"]
        ),
        st.sampled_from(["anna@example.com", "", "ANNA@example.com", "no address"]),
        st.sampled_from(["1980-02-29", "", "29.02.1980", "1980-2-29", "2980-01-01"]),
        st.sampled_from(["club;vip", "club", "", "club; vip", "vip|club"]),
        st.sampled_from(["2901", "2902", "", "2909"]),
        st.sampled_from(["yes", "no", "", "maybe", "YES"]),
        st.sampled_from(["", "2026-11-01", "2026-10-01", "never"]),
        st.sampled_from(["", "form"]),
    ),
    max_size=7,
)
HEADER = [
    "customer_id",
    "first_name",
    "email",
    "birth_date",
    "tags",
    "card_number",
    "consent_email",
    "consent_date",
    "consent_source",
]


def written(rows: list[tuple[str, ...]], *, delimiter: str, ending: str) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
    writer.writerow(HEADER)
    writer.writerows(rows)
    return file.getvalue()


def both_ways(text: str, **options: Any) -> list[tuple[Any, Any]]:
    """What differs between an import that compares first and one that reads every row. Nothing is left of either."""
    outcomes = []
    for comparison in (CustomerImporter.comparison, None):
        with pytest.MonkeyPatch.context() as patch, transaction.atomic():
            patch.setattr(CustomerImporter, "comparison", comparison)
            patch.setattr(unchanged, "WORTH_IT", -1)
            outcomes.append([take(text, **options), *shop()])
            transaction.set_rollback(True)
    return [pair for pair in zip(*outcomes, strict=True) if pair[0] != pair[1]]


@settings(max_examples=40, deadline=None)
@given(before=ROWS, now=ROWS, kept=st.sets(st.integers(0, 6)), signs=st.sampled_from([(",", "\n"), (";", "\r\n")]))
def test_comparing_first_comes_to_the_same(
    before: list[tuple[str, ...]], now: list[tuple[str, ...]], kept: set[int], signs: tuple[str, str]
) -> None:
    rows = [row for at, row in enumerate(before) if at in kept] + now
    with transaction.atomic():
        take(written(before, delimiter=signs[0], ending=signs[1]))

        assert both_ways(written(rows, delimiter=signs[0], ending=signs[1])) == []
        transaction.set_rollback(True)


@settings(max_examples=150, deadline=None)
@given(body=st.text("ab\",\r\n '\\.éя\u0301\u00a0\t", max_size=60))
@example(body='"a ""b"" c",d\n')
@example(body='a"b,c\n"a" ,b\n')
@example(body='x,"a,"b",c"\n')
@example(body='"a\nb",c\n')
@example(body="a,b\n\\.\nc,d\n")
@example(body="a,b\r\nc,d\n")
@example(body='a"",b\n"",""\n')
def test_the_database_parts_a_plain_file_as_our_reader_does(body: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.csv"
        path.write_bytes(f"c0,c1\n{body}".encode())
        reader = CsvFile(path, delimiter=",")
        assert may_be_plain(reader)
        raw = RawFile(reader)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "CREATE TEMP TABLE parted (c0 text, c1 text, row integer GENERATED ALWAYS AS IDENTITY (START 2))"
                )
                with cursor.copy("COPY parted (c0, c1) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (c0, c1))") as copy:
                    for block in raw.blocks(lambda share: None):
                        copy.write(block)
                cursor.execute("SELECT row, c0, c1 FROM parted WHERE c0 <> '' OR c1 <> '' ORDER BY row")
                parted = [(row, cells) for row, *cells in cursor.fetchall()]
                transaction.set_rollback(True)
        except (NotPlain, psycopg.DataError):
            return

        assert [(row, cells) for row, cells, problem in reader.rows() if not problem] == parted
        assert not any(problem for _row, _cells, problem in reader.rows())
