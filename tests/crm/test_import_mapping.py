"""Which of their columns is which of ours: guessed, said, saved; and what becomes of the rows."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.importing import FileRefused, ImportResult, import_file
from crm.importing.guessing import guess_mapping, mapping_of
from crm.importing.mapping import Mapping, Source, from_json
from crm.importing.names import split_name
from crm.importing.plan import Undecided
from crm.importing.run import KINDS, targets
from crm.models import Customer, Receipt, ReceiptLine
from tests.crm import make

pytestmark = pytest.mark.django_db


def load(tmp_path: Path, kind: str, text: str, encoding: str = "utf-8", **options: Any) -> ImportResult:
    path = tmp_path / "theirs.csv"
    path.write_bytes(text.encode(encoding))
    return import_file(kind=kind, path=path, now=make.NOW, **options)


def errors(result: ImportResult) -> list[str]:
    assert result.errors_file
    return result.errors_file.read_text("utf-8-sig").splitlines()


@pytest.mark.parametrize(
    ("kind", "header", "ours"),
    [
        (
            "customers",
            "Kundennummer;Vorname;Nachname;E-Mail-Adresse;Geburtsdatum;Anrede;PLZ;Ort;Telefon;Newsletter",
            "customer_id first_name last_name email birth_date gender postcode city phone consent_email",
        ),
        (
            "customers",
            "Номер клиента;Имя;Фамилия;Эл. почта;Дата рождения;Пол;Индекс;Город;Мобильный телефон",
            "customer_id first_name last_name email birth_date gender postcode city phone",
        ),
        (
            "customers",
            "Codice cliente;Nome;Cognome;Indirizzo email;Data di nascita;Sesso;CAP;Città;Cellulare",
            "customer_id first_name last_name email birth_date gender postcode city phone",
        ),
        (
            "customers",
            "Asiakasnumero;Etunimi;Sukunimi;Sähköposti;Syntymäaika;Sukupuoli;Postinumero;Kaupunki;Puhelin",
            "customer_id first_name last_name email birth_date gender postcode city phone",
        ),
        (
            "customers",
            "Viðskiptamannanúmer;Fornafn;Eftirnafn;Netfang;Fæðingardagur;Kyn;Póstnúmer;Staður;Farsími",
            "customer_id first_name last_name email birth_date gender postcode city phone",
        ),
        (
            "customers",
            "Customer ID;First Name;Last Name;Email;Accepts Email Marketing;Default Address Company;"
            "Default Address City;Default Address Zip;Phone;Accepts SMS Marketing;Tags",
            "customer_id first_name last_name email consent_email company city postcode phone consent_sms tags",
        ),
        (
            "receipts",
            "InvoiceNo;StockCode;Description;Quantity;InvoiceDate;UnitPrice;CustomerID",
            "receipt_id sku product quantity sold_at unit_price customer_id",
        ),
        (
            "receipts",
            "Номер чека;Дата продажи;Магазин;Артикул;Наименование;Кол-во;Цена;Сумма",
            "receipt_id sold_at store sku product quantity unit_price line_total",
        ),
        ("receipts", "Belegnummer;Datum;Uhrzeit;Filiale;Artikelnummer;Menge;Einzelpreis;Rabatt;Gesamt",
         "receipt_id sold_at sold_time store sku quantity unit_price discount line_total"),
        ("products", "Artikelnummer;Bezeichnung;Warengruppe;Marke;Preis;EAN", "sku name category brand price barcode"),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names_in_the_languages_of_shops(kind: str, header: str, ours: str) -> None:
    names = header.split(";")
    guesses = guess_mapping(kind, names, today=date(2026, 1, 1))
    assert [guess.column for guess in guesses] == ours.split()
    assert all(guess.confidence >= 0.9 for guess in guesses)


def test_an_orders_own_amounts_are_not_taken_for_those_of_its_lines() -> None:
    names = [
        "Name",
        "Email",
        "Paid at",
        "Subtotal",
        "Total",
        "Discount Amount",
        "Created at",
        "Lineitem quantity",
        "Lineitem name",
        "Lineitem price",
        "Lineitem sku",
    ]
    found = {guess.header: guess.column for guess in guess_mapping("receipts", names) if guess.column}
    assert found == {
        "Name": "receipt_id",
        "Email": "customer_id",
        "Created at": "sold_at",
        "Lineitem quantity": "quantity",
        "Lineitem name": "product",
        "Lineitem price": "unit_price",
        "Lineitem sku": "sku",
    }
    [total] = guess_mapping("receipts", ["Total"])
    assert total.column == "line_total"


def test_guesses_by_likeness_and_content_are_less_sure_and_say_why() -> None:
    rows = [["1", "a@b.example", "4006381333931", "x"], ["2", "c@d.example", "5901234123457", "y"]]
    found = guess_mapping("customers", ["customr_number", "kontakt 7", "", "notes"], rows)
    assert [(guess.column, guess.confidence >= 0.9) for guess in found] == [
        ("customer_id", False),
        ("email", False),
        (None, False),
        (None, False),
    ]
    assert found[1].why == "by what is in it"
    products = guess_mapping("products", ["sku", "name", "number"], [["1", "Milk", "4006381333931"]])
    assert products[2].column == "barcode"
    assert mapping_of(found).ignored == {"kontakt 7", "(3)", "notes"}


def test_a_name_that_its_content_contradicts_is_doubted() -> None:
    [_, born] = guess_mapping("customers", ["id", "born"], [["1", "Riga"], ["2", "Oulu"]])
    assert (born.column, born.confidence < 0.6) == ("birth_date", True)


def test_no_two_columns_of_a_kind_have_a_name_in_common() -> None:
    for kind in KINDS:
        names: dict[str, str] = {}
        for column in targets(kind):
            for name in column.names():
                assert names.setdefault(name, column.name) == column.name, (kind, name)


def test_a_mapping_can_be_saved_and_read_again() -> None:
    columns = targets("receipts")
    said = {
        "InvoiceDate": "sold_at",
        "Country": None,
        "*": None,
        "receipt_id": {"column": "InvoiceNo", "cancelled_prefix": "C"},
        "store": {"value": "North"},
        "sku": {"columns": ["a", "b"], "join": "-"},
        "unit_price": {"column": "Preis", "decimal": ","},
    }
    mapping = from_json(said, columns)
    assert mapping.as_json() == said
    assert from_json(mapping.as_json(), columns) == mapping
    assert mapping == Mapping(
        {
            "sold_at": Source(("InvoiceDate",)),
            "receipt_id": Source(("InvoiceNo",), cancelled_prefix="C"),
            "store": Source(value="North"),
            "sku": Source(("a", "b"), join="-"),
            "unit_price": Source(("Preis",), decimal=","),
        },
        frozenset({"Country"}),
        ignore_rest=True,
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "is an object of the form"),
        ({"a": "skuu"}, "The column “skuu” is unknown; is it “sku”?"),
        ({"a": 1}, "neither a column, null nor an object"),
        ({"a": "sku", "b": "sku"}, "names two columns for “sku”"),
        ({"sku": {}}, "names no column of the file"),
        ({"sku": {"column": 1}}, "not made of texts"),
        ({"sku": {"column": "a", "colour": "red"}}, "has the unknown option “colour”"),
        ({"sold_at": {"column": "a", "date_order": "myd"}}, "is none of dmy, mdy, ymd, serial"),
        ({"quantity": {"column": "a", "decimal": ";"}}, "is none that is used"),
    ],
)
def test_a_wrong_mapping_says_what_is_wrong(said: object, message: str) -> None:
    with pytest.raises(FileRefused, match=message):
        from_json(said, targets("receipts"))


def test_columns_are_left_out_only_where_the_mapping_says_so(tmp_path: Path) -> None:
    text = "Kundennummer,Bemerkung,Vorname\n1,x,Anna\n"
    with pytest.raises(FileRefused, match="The column “Bemerkung” is unknown"):
        load(tmp_path, "customers", text)
    with pytest.raises(FileRefused, match="does not say what “Bemerkung” is"):
        load(tmp_path, "customers", text, mapping={"Kundennummer": "customer_id"})
    with pytest.raises(FileRefused, match="has no column “Nachname”"):
        load(tmp_path, "customers", text, mapping={"Nachname": "last_name", "Bemerkung": None})
    with pytest.raises(FileRefused, match="The column “customer_id” is missing"):
        load(tmp_path, "customers", text, mapping={"Kundennummer": None, "Bemerkung": None})
    assert load(tmp_path, "customers", text, mapping={"bemerkung": None}).created == 1
    assert load(tmp_path, "customers", text, mapping={"*": None}).unchanged == 1
    assert Customer.objects.get().first_name == "Anna"


def test_a_german_list_of_customers_comes_in_as_it_is(tmp_path: Path) -> None:
    text = (
        "Kundennummer;Name;Geburtsdatum;Anrede;PLZ;Newsletter;Interessen\r\n"
        "0012;Müller, Jürgen;31.12.1980;Herr;04109;ja;Wein, Käse\r\n"
        "13;Änne von der Groß;1.2.1990;Frau;10115;nein;\r\n"
        "14;Bo;31.2.1990;Frau;10115;vielleicht;\r\n"
    )
    result = load(tmp_path, "customers", text, "cp1252")
    assert (result.rows, result.created, result.refused) == (3, 2, 1)
    assert list(
        Customer.objects.order_by("number").values_list(
            "number", "first_name", "last_name", "birth_date", "gender", "postcode", "interests"
        )
    ) == [
        ("0012", "Jürgen", "Müller", date(1980, 12, 31), "male", "04109", ["Wein", "Käse"]),
        ("13", "Änne", "von der Groß", date(1990, 2, 1), "female", "10115", []),
    ]
    assert errors(result) == [
        "Kundennummer;Name;Geburtsdatum;Anrede;PLZ;Newsletter;Interessen;refused_because",
        "14;Bo;31.2.1990;Frau;10115;vielleicht;;"
        "row 4: birth_date: “31.2.1990” is not a date (write it like 2026-12-31). "
        "consent_email: “vielleicht” is neither yes nor no.",
    ]
    assert result.errors_file
    mended = result.errors_file.read_text("utf-8-sig").replace("31.2.", "28.2.").replace("vielleicht", "ja")
    assert load(tmp_path, "customers", mended, "utf-8-sig").created == 1
    assert load(tmp_path, "customers", text, "cp1252").unchanged == 2


def test_russian_receipts_come_in_as_they_are(tmp_path: Path) -> None:
    text = (
        "Номер чека;Дата продажи;Магазин;Артикул;Наименование;Кол-во;Цена;Сумма\n"
        "1;31.12.2025 10:05;Центр;a1;Молоко;2;1 234,50;2 469,00\n"
        "2;01.02.2026 9:05;Центр;a2;Хлеб;1,5;10;15,00\n"
    )
    assert load(tmp_path, "receipts", text, "cp1251").created == 2
    lines = ReceiptLine.objects.order_by("receipt__external_id")
    assert [
        (str(line.quantity), str(line.unit_price), line.total_minor, line.product.name)
        for line in lines.select_related("product")
    ] == [("2.000", "1234.500000", 246900, "Молоко"), ("1.500", "10.000000", 1500, "Хлеб")]


def test_day_and_time_of_day_in_two_columns_make_one_moment(tmp_path: Path) -> None:
    text = "Bon;Datum;Uhrzeit;Artikel;Menge;Gesamt\n1;31.12.2025;18:30;a;1;2,50\n2;01.01.2026;8;a;1;2,50\n"
    assert load(tmp_path, "receipts", text, time_zone="Europe/Berlin").created == 2
    assert [f"{at:%Y-%m-%d %H:%M}" for at in Receipt.objects.order_by("pk").values_list("sold_at", flat=True)] == [
        "2025-12-31 17:30",
        "2026-01-01 07:00",
    ]


def test_a_question_is_asked_rather_than_guessed_and_an_answer_settles_it(tmp_path: Path) -> None:
    text = "receipt_id;sold_at;sku;quantity;line_total\n1;01/02/2026;a;1;2,50\n2;03/02/2026;a;1;2,50\n"
    with pytest.raises(Undecided, match="The dates of “sold_at” could be read in two ways") as asked:
        load(tmp_path, "receipts", text)
    assert asked.value.findings[0].candidates == ("dmy", "mdy")
    load(tmp_path, "receipts", text, mapping={"sold_at": {"column": "sold_at", "date_order": "dmy"}})
    assert sorted(Receipt.objects.values_list("sold_on", flat=True)) == [date(2026, 2, 1), date(2026, 2, 3)]
    with pytest.raises(Undecided, match="The numbers of “price” could be read in two ways"):
        load(tmp_path, "products", "sku;name;price\n1;x;1.234\n")


def test_late_rows_settle_how_the_first_were_meant(tmp_path: Path) -> None:
    rows = [f"{number};A{number};{number % 900}" for number in range(1, 1500)]
    text = "\n".join(["sku;name;price", *rows, "x;X;1.234,50", "y;Y;2.000", ""])
    assert load(tmp_path, "products", text).created == 1501
    from crm.models import Product

    assert dict(Product.objects.filter(sku__in="xy").values_list("sku", "price_minor")) == {"x": 123450, "y": 200000}


def test_fixed_values_joined_columns_and_translated_words(tmp_path: Path) -> None:
    text = "1 19970101 1 11.77\n2 19970112 1 12.00\n2 19970112 5 77.00\n"
    mapping = {
        "receipt_id": {"columns": ["1", "2"], "join": "-"},
        "1": "customer_id",
        "2": "sold_at",
        "3": "quantity",
        "4": "line_total",
        "sku": {"value": "CD"},
        "channel": {"value": "online"},
    }
    assert load(tmp_path, "receipts", text, mapping=mapping).created == 2
    assert list(
        Receipt.objects.order_by("external_id").values_list(
            "external_id", "customer__number", "total_minor", "channel", "sold_on"
        )
    ) == [
        ("1-19970101", "1", 1177, "online", date(1997, 1, 1)),
        ("2-19970112", "2", 8900, "online", date(1997, 1, 12)),
    ]
    text = "customer_id,gender\n1,Frau Dr.\n"
    mapping = {"gender": {"column": "gender", "values": {"frau dr.": "female"}}}
    assert load(tmp_path, "customers", text, mapping=mapping).updated == 1


def test_what_only_the_first_row_of_an_order_says_holds_for_its_others(tmp_path: Path) -> None:
    text = (
        "Name,Email,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Notes\n"
        "#1001,a@b.example,2026-01-02 10:00:00 -0500,2,Mug,10.00,MUG,gift\n"
        "#1001,,,1,Cup,5.00,CUP,\n"
        "#1002,,2026-01-03 10:00:00 -0500,1,Cup,5.00,CUP,\n"
    )
    mapping = {"Name": "receipt_id", "Notes": None}
    assert load(tmp_path, "receipts", text, mapping=mapping).created == 2
    receipt = Receipt.objects.get(external_id="#1001")
    assert (receipt.total_minor, f"{receipt.sold_at:%H:%M}") == (2500, "15:00")


def test_ids_that_a_program_took_for_fractions_are_whole_again(tmp_path: Path) -> None:
    text = "receipt_id,sold_at,customer_id,sku,quantity,line_total\n1,2026-01-02,17850.0,a,1,1\n2,2026-01-02,,a,1,1\n"
    assert load(tmp_path, "receipts", text).created == 2
    assert Customer.objects.get().number == "17850"


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Anna Ozola", "Anna", "Ozola"),
        ("Ozola, Anna Maria", "Anna Maria", "Ozola"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Иванов Иван Петрович", "Иван Петрович", "Иванов"),
        ("Herr Dr. Jürgen Groß", "Jürgen", "Groß"),
        ("Björk", "Björk", ""),
        ("  ", "", ""),
        ("Jón Páll Guðmundsson", "Jón Páll", "Guðmundsson"),
    ],
)
def test_a_full_name_is_parted(name: str, first: str, last: str) -> None:
    assert split_name(name) == (first, last)


@given(st.text(max_size=50))
def test_parting_a_name_loses_no_letter(name: str) -> None:
    split_name(name)
    kept = sorted("".join(split_name(f"Xy {name}".replace(",", " "))).replace(" ", ""))
    assert len(kept) <= len(f"Xy {name}")
