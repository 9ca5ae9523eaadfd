"""Spreadsheets and tables of documents; and files that are made to harm."""

import struct
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.importing import FileRefused, Recognised, import_file, open_file, recognise
from crm.importing.formats import TableFile
from crm.models import Customer, Product, Receipt
from tests.crm import files, make

pytestmark = pytest.mark.django_db

HEADER = ["customer_id", "first_name", "birth_date", "household_size"]


def rows(reader: TableFile) -> list[list[str]]:
    return [cells for _number, cells, _problem in reader.rows()]


def test_typed_cells_become_what_a_person_would_write(tmp_path: Path) -> None:
    written: list[Any] = [
        ["id", "text", "date", "time", "yes", "whole", "part", "formula"],
        [123, "00123", date(2026, 12, 31), datetime(2026, 12, 31, 18, 30), True, 4006381333931, 0.1 + 0.2, "=1+1"],
        ["", "", "", "", "", "", "", ""],
        [124, " a\nb ", "", datetime(2026, 1, 1), False, -5, 1e-7, "=cmd|'/c calc'!A0"],
    ]
    read = [
        ["123", "00123", "2026-12-31", "2026-12-31 18:30:00", "True", "4006381333931", "0.3", "=1+1"],
        ["124", " a\nb ", "", "2026-01-01", "False", "-5", "0.0000001", "=cmd|'/c calc'!A0"],
    ]
    reader = open_file(files.xlsx(tmp_path / "a.xlsx", written))
    assert (reader.format, reader.header, rows(reader)) == ("xlsx", written[0], read)
    assert [number for number, _cells, _problem in reader.rows()] == [2, 4]

    by_ods = open_file(files.ods(tmp_path / "a.ods", written))
    assert (by_ods.format, by_ods.header) == ("ods", written[0])
    assert rows(by_ods)[0][:2] == ["123", "00123"]
    assert rows(by_ods)[0][5:7] == ["4006381333931", "0.3"]
    assert rows(by_ods)[0][2].startswith("2026-12-31")


def test_the_format_is_recognised_by_content_not_by_the_name(tmp_path: Path) -> None:
    path = files.xlsx(tmp_path / "customers.csv", [["customer_id"], ["1"]])
    assert open_file(path).format == "xlsx"
    text = tmp_path / "customers.xlsx"
    text.write_text("customer_id\n1\n")
    assert open_file(text).format == "csv"


def test_a_sheet_can_be_chosen_and_the_first_filled_one_is_taken(tmp_path: Path) -> None:
    path = files.xlsx(tmp_path / "a.xlsx", [["customer_id"], ["1"]], sheet="Kunden", before=["Notes", "Empty"])
    found = recognise(path)
    assert (found.sheet, found.sheets) == ("Kunden", ("Notes", "Empty", "Kunden"))
    with pytest.raises(FileRefused, match="is empty"):
        open_file(path, Recognised(sheet="Notes"))
    with pytest.raises(FileRefused, match="it has no such sheet"):
        open_file(path, Recognised(sheet="Nowhere"))


def test_the_header_is_found_below_titles_and_an_empty_column_beside_the_table_goes(tmp_path: Path) -> None:
    written: list[Any] = [
        ["Kundenliste 2026"],
        [],
        ["", "Kundennummer", "Name", "Gruppe"],
        ["", 7, "Ozola, Anna", "VIP, neu"],
    ]
    result = import_file(kind="customers", path=files.xlsx(tmp_path / "a.xlsx", written), now=make.NOW)
    assert (result.rows, result.created) == (1, 1)
    customer = Customer.objects.get()
    assert (customer.number, customer.full_name, customer.tags) == ("7", "Anna Ozola", ["VIP", "neu"])


def test_refused_rows_of_a_sheet_can_be_mended_and_imported_again(tmp_path: Path) -> None:
    written: list[Any] = [[*HEADER, ""], [1, "Änne", date(1980, 5, 1), 2, ""], ["0002", "Bo", "long ago", 2.5, ""]]
    path = files.xlsx(tmp_path / "a.xlsx", written)
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.created, result.refused) == (1, 1)
    assert result.errors_file == tmp_path / "a.refused.csv"
    text = result.errors_file.read_text("utf-8-sig")
    assert text.splitlines()[1].startswith("0002,Bo,long ago,2.5,")
    result.errors_file.write_text(text.replace("long ago", "1.5.1990").replace("2.5", "3"), "utf-8-sig")
    how = Recognised(format="xlsx", sheet="Sheet1", encoding="cp1251")  # as was said of the workbook
    again = import_file(kind="customers", path=result.errors_file, how=how, now=make.NOW)
    assert (again.created, again.refused) == (1, 0)
    assert Customer.objects.get(number="0002").birth_date == date(1990, 5, 1)


def test_numbers_beside_texts_with_a_decimal_comma_are_read_alike(tmp_path: Path) -> None:
    written: list[Any] = [
        ["Artikelnummer", "Bezeichnung", "Preis"],
        ["a", "A", 1.234],
        ["b", "B", "1.234,50"],
        ["c", "C", 7],
    ]
    assert import_file(kind="products", path=files.xlsx(tmp_path / "a.xlsx", written), now=make.NOW).created == 3
    assert dict(Product.objects.values_list("sku", "price_minor")) == {"a": 123, "b": 123450, "c": 700}


def test_a_documents_largest_table_is_taken_and_merged_cells_are_spread(tmp_path: Path) -> None:
    merged = files.Xml('<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>Contact</w:t></w:r></w:p></w:tc>')
    goes_on = files.Xml("<w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>")
    begins = files.Xml('<w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr><w:p><w:r><w:t>Riga</w:t></w:r></w:p></w:tc>')
    path = files.docx(
        tmp_path / "a.docx",
        files.word_table([["a", "b"]]),
        files.word_table(
            [
                ["Customers", "", merged],
                ["Kundennummer", "Ort", "E-Mail", "Telefon"],
                [1, begins, "a@b.example", "+371 20000001"],
                [2, goes_on, "", "20000002"],
            ]
        ),
    )
    found = recognise(path)
    assert (found.format, found.sheet, found.sheets, found.header_row) == ("docx", "2", ("1", "2"), 2)
    assert import_file(kind="customers", path=path, now=make.NOW).created == 2
    assert list(Customer.objects.order_by("number").values_list("number", "city", "email", "phone")) == [
        ("1", "Riga", "a@b.example", "+371 20000001"),
        ("2", "Riga", "", "20000002"),
    ]
    assert open_file(path, Recognised(sheet="1")).header == ["a", "b"]
    with pytest.raises(FileRefused, match="there is no table in it"):
        open_file(files.docx(tmp_path / "none.docx"))


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Co", "Cn"]), min_size=1, max_size=20
).filter(lambda text: not text.startswith("_x") and text.strip() == text)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=8))
def test_texts_come_through_every_format_unchanged(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    written: list[Any] = [["one", "two"], *map(list, pairs)]
    how = Recognised(header_row=1)
    for reader in (
        open_file(files.xlsx(tmp_path / "a.xlsx", written), how),
        open_file(files.ods(tmp_path / "a.ods", written), how),
        open_file(files.docx(tmp_path / "a.docx", files.word_table(written)), how),
    ):
        if reader.format == "docx":
            written = [[" ".join(cell.split()) for cell in row] for row in written]
        assert rows(reader) == written[1:], reader.format


def _archive(path: Path, **entries: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def _replace_in_xlsx(path: Path, sheet: str) -> Path:
    """A workbook whose first sheet is this XML."""
    files.xlsx(path, [["customer_id"], ["1"]])
    with zipfile.ZipFile(path) as archive:
        entries: dict[str, Any] = {name: archive.read(name) for name in archive.namelist()}
    entries["xl/worksheets/sheet1.xml"] = sheet
    return _archive(path, **entries)


def _sheet(cells: str) -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'


def test_a_sheet_that_would_fill_any_memory_costs_only_its_own_process(tmp_path: Path) -> None:
    corners = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    with pytest.raises(FileRefused, match="it is too large"):
        open_file(_replace_in_xlsx(tmp_path / "a.xlsx", _sheet(corners)))


def test_a_document_that_swells_when_it_is_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = "<w:tc><w:p><w:r><w:t>" + "a" * 40_000 + "</w:t></w:r></w:p></w:tc>"
    with pytest.raises(FileRefused, match=r"holds more than 32,767 characters"):
        open_file(files.docx(tmp_path / "huge.docx", f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>"))
    bomb = tmp_path / "bomb.docx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as file:
        file.write(f'<w:document xmlns:w="{files.WORD}">'.encode())
        for _block in range(220):
            file.write(b" " * (1 << 20))
    assert bomb.stat().st_size < 2_000_000
    with pytest.raises(FileRefused, match="it is too large"):
        open_file(bomb)


def test_a_document_cannot_define_entities(tmp_path: Path) -> None:
    doctype = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with pytest.raises(FileRefused, match="it is damaged"):
        open_file(files.docx(tmp_path / "a.docx", files.word_table([["&b;"]]), doctype=doctype))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 not really", "is damaged"),
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"\x89PNG\r\n", "holds no table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "it is damaged"),
        (b"\n\n\n", "is empty"),
        (b"\0\0\0\0", "The column"),
    ],
)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileRefused, match=message):
        import_file(kind="customers", path=path, now=make.NOW)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="holds no table"):
        open_file(_archive(tmp_path / "a.zip", readme="hello"))


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    path = files.xlsx(tmp_path / "a.xlsx", [["customer_id"], ["1"]])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileRefused, match="is damaged"):
        open_file(path)
    with pytest.raises(FileRefused, match="it is damaged, or not what its name says"):
        open_file(_replace_in_xlsx(path, "<worksheet><sheetData><row"))


def test_sixteen_thousand_columns_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = files.xlsx(tmp_path / "a.xlsx", [["customer_id", *(f"c{number}" for number in range(16_383))], [1]])
    with pytest.raises(FileRefused) as refusal:
        import_file(kind="customers", path=path, now=make.NOW)
    assert str(refusal.value).endswith("has 16,384 columns; at most 1,000 can be read.")


def test_a_line_of_ten_megabytes_costs_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("customer_id,first_name\n1,Anna\n2," + "x" * 10_000_000 + "\n3,Bo\n")
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.created, result.refused) == (2, 1)
    assert result.errors_file
    assert "row 3: it is longer than 1,000,000 characters." in result.errors_file.read_text()
    path.write_text("customer_id;" + "x" * 10_000_000)
    with pytest.raises(FileRefused):
        import_file(kind="customers", path=path, now=make.NOW)


def test_zero_bytes_marks_in_the_middle_and_double_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffcustomer_id,first_name\n1,An\0na\n\ufeff2,Bo\n".encode())
    result = import_file(kind="customers", path=path, now=make.NOW)
    assert (result.created, result.refused) == (1, 1)
    assert Customer.objects.get().number == "2"
    path.write_text("customer_id,first_name,first_name\n1,a,b\n")
    with pytest.raises(FileRefused, match="“first_name” is there twice"):
        import_file(kind="customers", path=path, now=make.NOW)
    mapping = {"first_name (2)": None}
    assert import_file(kind="customers", path=path, now=make.NOW, mapping=mapping).updated == 0
    assert Customer.objects.get(number="1").first_name == "a"


def test_published_receipts_as_a_workbook_come_in_as_they_are(tmp_path: Path) -> None:
    header = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    when = datetime(2010, 12, 1, 8, 26)
    written: list[Any] = [
        header,
        [536365, "85123A", "WHITE HANGING HEART", 6, when, 2.55, 17850.0, "United Kingdom"],
        [536365, 71053, "WHITE METAL LANTERN", 6, when, 3.39, 17850.0, "United Kingdom"],
        [536370, 22728, "ALARM CLOCK", 24, when, 3.75, "", "France"],
    ]
    path = files.xlsx(tmp_path / "online_retail.xlsx", written)
    result = import_file(kind="receipts", path=path, now=make.NOW, mapping={"Country": None})
    assert (result.rows, result.created, result.refused) == (3, 2, 0)
    assert list(
        Receipt.objects.order_by("external_id").values_list("external_id", "customer__number", "total_minor")
    ) == [
        ("536365", "17850", 3564),
        ("536370", None, 9000),
    ]
    assert import_file(kind="receipts", path=path, now=make.NOW, mapping={"Country": None}).unchanged == 2


def test_a_length_that_lies_does_not_matter(tmp_path: Path) -> None:
    path = files.xlsx(tmp_path / "a.xlsx", [["customer_id"], ["1"]])
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 5)  # the uncompressed size, in the directory
    path.write_bytes(bytes(content))
    try:
        assert rows(open_file(path)) == [["1"]]
    except FileRefused as refused:
        assert "damaged" in str(refused)
