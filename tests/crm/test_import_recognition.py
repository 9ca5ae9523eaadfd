"""How a file is written, recognised by its content: encoding, delimiter, header, numbers, dates."""

from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.importing.cells import BadCell
from crm.importing.dates import ORDERS, date_findings, date_reader
from crm.importing.encodings import of_bytes
from crm.importing.formats import Recognised, find_header, open_file, recognise
from crm.importing.numbers import CONVENTIONS, PLAIN, Convention, number_findings, number_reader, write_number
from crm.importing.words import meaning

TODAY = date(2026, 11, 20)
COMMA, POINT = Convention(",", "."), Convention(".", ",")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Имя;Фамилия;Город\nИван;Иванов;Москва\n"),
        ("cp1251", "name\nИван\n"),
        ("cp1251", "ИМЯ;ГОРОД\nИВАН ПЕТРОВ;МОСКВА\n"),
        ("cp1251", "Ім'я;Прізвище\nОлексій;Ющенко\n"),
        ("koi8-r", "Имя;Фамилия;Город\nИван;Иванов;Москва\n"),
        ("cp866", "Имя;Фамилия;Город\nИван;Иванов;Москва\n"),
        ("iso8859-5", "Имя;Фамилия;Город\nИван;Иванов;Москва\n"),
        ("cp1252", "Etunimi;Sukunimi;Kaupunki\nPäivi;Mäkelä;Jyväskylä\n"),
        ("cp1252", "Etunimi\nPäivi\n"),
        ("cp1252", "Fornafn;Staður\nÞórður;Höfn\nÁsdís;Reykjavík\n"),
        ("cp1252", "name\nÞórður\n"),
        ("cp1252", "first_name;city\nJón;Reykjavík\nSigrún;Akureyri\n"),
        ("cp1252", "Vorname;Straße\nJürgen;Königstraße 5 €\n"),
        ("cp1252", "Nome;Città\nNicolò;Forlì\n"),
        ("cp1252", "price\n£5\n£6\n"),
        ("cp1252", "price\n1\u00a0234,50\n"),
        ("cp1257", "Vārds;Pilsēta\nJānis Bērziņš;Rīga\n"),
        ("cp1257", "Vardas\nŽydrūnas Šimkus\nGiedrė\n"),
        ("cp1250", "Imię;Miasto\nŁukasz;Łódź\nŻaneta;Gdańsk\n"),
        ("cp1254", "Adı;Soyadı\nAyşe;Yıldız\n"),
        ("mac-roman", "Jürgen Müller;Königstraße\n"),
        ("cp850", "Päivi;Mäkelä;Jyväskylä\n"),
    ],
)
def test_one_byte_encodings_are_recognised_from_a_few_words(encoding: str, text: str) -> None:
    found = of_bytes(text.encode(encoding))
    assert text.encode(encoding).decode(found.name) == text
    assert found.candidates == ()


def test_a_doubt_about_the_encoding_is_reported_with_the_candidates() -> None:
    found = of_bytes("Città\n".encode("cp1252"))
    assert found.candidates[0] == "cp1252"
    assert len(found.candidates) > 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_files_are_read_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Имя;Nafn\r\nИван;Þór\r\nОльга;Åsa\r\n".encode(encoding))
    reader = open_file(path)
    assert reader.header == ["Имя", "Nafn"]
    assert [cells for _number, cells, _problem in reader.rows()] == [["Иван", "Þór"], ["Ольга", "Åsa"]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("sep=;\na;b\n1,5;2\n", [["1,5", "2"]]),
        ('a;b\n"1;5";2\n', [["1;5", "2"]]),
        ("a\tb\nx, y\tz\n", [["x, y", "z"]]),
        ("name    city\nAnna B    Riga\nBob    New York\n", [["Anna B", "Riga"], ["Bob", "New York"]]),
        ("a|b\n1|2\n", [["1", "2"]]),
        ("a\n1\n2\n", [["1"], ["2"]]),
        ("a,b,,\n1,2,,\n", [["1", "2", "", ""]]),
    ],
)
def test_the_delimiter_is_the_one_that_parts_the_rows_evenly(tmp_path: Path, text: str, rows: list[list[str]]) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert [cells for _number, cells, _problem in open_file(path).rows()] == rows


def test_a_header_is_found_below_titles_and_its_absence_noticed(tmp_path: Path) -> None:
    def header(*rows: str) -> int:
        return find_header([(number, row.split(","), "") for number, row in enumerate(rows, 1) if row])

    assert header("Customers of 2026,,", "", "customer_id,Vorname,Ort", "1,Anna,Riga", "2,Bo,Oulu") == 3
    assert header("alpha,beta,gamma", "1,x,y") == 1
    assert header("00001,19970101,1,11.77", "00002,19970112,1,12.00") == 0

    path = tmp_path / "cdnow.txt"
    path.write_text(" 00001 19970101  1   11.77\n 00002 19970112  1   12.00\n 00002 19970112  5   77.00\n")
    reader = open_file(path)
    assert reader.header == ["1", "2", "3", "4"]
    assert [cells for _number, cells, _problem in reader.rows()][1] == ["00002", "19970112", "1", "12.00"]


def test_what_is_recognised_can_be_overridden_and_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("x;when\nJ\xf3n;01/02/2026\n".encode("cp1252"))
    found = recognise(path, today=TODAY)
    assert (found.format, found.delimiter, found.header_row) == ("csv", ";", 1)
    assert found.findings[1].candidates == ("dmy", "mdy")
    assert Recognised.from_dict(found.as_dict()) == found
    settled = recognise(path, Recognised(encoding="cp1257", date_order="mdy"), today=TODAY)
    assert (settled.encoding, settled.findings[1].date_order, settled.findings[1].candidates) == ("cp1257", "mdy", ())
    assert settled.findings[0].samples == (b"J\xf3n".decode("cp1257"),)


@pytest.mark.parametrize(
    ("cells", "convention"),
    [
        (["1.234,56", "7"], COMMA),
        (["1 234,56 €", "2,5"], Convention(",", " ")),
        (["1\u00a0234,56", "1\u202f000"], Convention(",", " ")),
        (["1,234.56"], POINT),
        (["CHF 1'234.56", "5.–".replace(".–", "")], Convention(".", "'")),
        (["1’234.50"], Convention(".", "'")),
        (["$1,234.00", "-$5.00"], POINT),
        (["1.234", "12.5"], PLAIN),
        (["0.355", "1.250"], PLAIN),
        (["(5,00)", "3,50-", "−2,00"], Convention(",")),
        (["1.234.567"], COMMA),
        (["5", "6"], PLAIN),
        (["12,50 руб.", "3,00 kr"], Convention(",")),
    ],
)
def test_a_column_of_numbers_shows_its_signs(cells: list[str], convention: Convention) -> None:
    found = number_findings(cells)
    assert found is not None
    assert (found.convention, found.candidates) == (convention, ())


def test_numbers_that_could_be_read_in_two_ways_are_a_question_unless_something_settles_it() -> None:
    found = number_findings(["1.234", "2.345", "7"])
    assert found is not None
    assert {one.decimal for one in found.candidates} == {".", ","}
    settled = number_findings(["1.234", "2.345"], known=COMMA)
    assert settled is not None
    assert (settled.convention, settled.candidates) == (COMMA, ())
    proven = number_findings(["1.234,5"], known=POINT)
    assert proven is not None
    assert proven.convention == COMMA


def test_a_number_that_is_not_written_like_its_column_is_never_guessed() -> None:
    read = number_reader(COMMA)
    assert [read(cell) for cell in ("1.234,5", "€ -7", "(3,00)", "")] == ["1234.5", "-7", "-3.00", ""]
    with pytest.raises(BadCell, match="as this column writes them"):
        read("12.5")
    assert read("twelve") == "twelve"  # the parser says what is wrong with it


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    st.sampled_from(CONVENTIONS),
    st.sampled_from(["", " €", " kr.", " руб."]),
)
def test_any_number_written_in_a_convention_is_read_back(value: object, convention: Convention, currency: str) -> None:
    plain = f"{value:f}"
    written = write_number(plain, convention, currency=currency)
    assert number_reader(convention)(written) == plain
    found = number_findings([written, write_number("1234567.89", convention)])
    assert found is not None
    assert number_reader(found.convention)(written) == plain


@pytest.mark.parametrize(
    ("cells", "order", "read"),
    [
        (["31.12.2025"], "dmy", ["2025-12-31"]),
        (["01.02.2025"], "dmy", ["2025-02-01"]),
        (["12/31/2025", "1/2/2025"], "mdy", ["2025-12-31", "2025-01-02"]),
        (["31/12/25", "01/02/25"], "dmy", ["2025-12-31", "2025-02-01"]),
        (["2025-12-31", "2025/1/5"], "", ["2025-12-31", "2025-01-05"]),
        (["31 декабря 2025 г.", "1 янв. 2025"], "", ["2025-12-31", "2025-01-01"]),
        (["Dec 31, 2025 5:30 PM", "12 Jan 2025 12:05 am"], "", ["2025-12-31 17:30", "2025-01-12 00:05"]),
        (["5. joulukuuta 2025 klo 9.30", "5. desember 2025"], "", ["2025-12-05 09:30", "2025-12-05"]),
        (["31-12-2025 10:05:09"], "dmy", ["2025-12-31 10:05:09"]),
        (["2025-12-31T10:05:09.123456+02:00"], "", ["2025-12-31T10:05:09.123456+02:00"]),
        (["2025-12-31 10:05:09 UTC"], "", ["2025-12-31 10:05:09Z"]),
        (["20251231", "20250101"], "", ["2025-12-31", "2025-01-01"]),
    ],
)
def test_a_column_of_dates_shows_its_order(cells: list[str], order: str, read: list[str]) -> None:
    found = date_findings(cells, today=TODAY)
    assert found is not None
    assert (found.order, found.candidates) == (order, ())
    reader = date_reader(found.order, today=TODAY, with_time=True)
    assert [reader(cell) for cell in cells] == read


def test_dates_that_could_be_read_in_two_ways_are_a_question_unless_something_settles_it() -> None:
    def found(*cells: str, **hints: str) -> tuple[str, tuple[str, ...], str]:
        findings = date_findings(cells, today=TODAY, **hints)  # type: ignore[arg-type]
        assert findings is not None
        return findings.order if not findings.candidates else "", findings.candidates, findings.why

    assert found("01/02/2026", "03/02/2026") == ("", ("dmy", "mdy"), "")
    assert found("01/02/2026", "13/02/2026") == ("dmy", (), "")
    assert found("01/02/2026", known="mdy") == ("mdy", (), "")
    assert found("01/02/2026", language="it") == ("dmy", (), "language")
    assert found("1/2/2026 8:26") == ("mdy", (), "unpadded")
    assert found("01/12/2026") == ("mdy", (), "future")
    assert found("01/02/2026", "05/02/2026", "02/03/2026") == ("dmy", (), "sorted")


def test_strays_in_a_column_of_iso_dates_do_not_open_a_question() -> None:
    found = date_findings(["2026-01-01", "2026-01-02", "2026-01-03", "01/02/2026"], today=TODAY)
    assert found is not None
    assert (found.order, found.candidates, found.misfits) == ("", (), 1)


@given(
    st.lists(st.dates(date(1950, 1, 1), TODAY), min_size=1, max_size=30),
    st.sampled_from(["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d"]),
)
def test_any_column_of_dates_is_read_back_or_asked_about(days: list[date], pattern: str) -> None:
    cells = [day.strftime(pattern) for day in days]
    found = date_findings(cells, today=TODAY)
    assert found is not None
    order = found.order
    if found.candidates or found.why:
        order = "dmy" if pattern.startswith("%d") else "mdy"
        assert not found.candidates or order in found.candidates
    reader = date_reader(order, today=TODAY, with_time=False)
    assert [reader(cell) for cell in cells] == [day.isoformat() for day in days]


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2026, 11, 1)).map(lambda moment: moment.replace(microsecond=0)),
    st.sampled_from(["%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S", "%d %b %Y, %H:%M:%S"]),
)
def test_any_time_is_read_back(moment: datetime, pattern: str) -> None:
    order = "mdy" if pattern.startswith("%m") else "dmy"
    read = date_reader(order, today=TODAY, with_time=True)(moment.strftime(pattern))
    assert datetime.fromisoformat(read) == moment


@given(st.text(max_size=70))
def test_no_text_breaks_the_recognition(text: str) -> None:
    number_findings([text])
    date_findings([text], today=TODAY)
    for order in ORDERS:
        date_reader(order, today=TODAY, with_time=True)(text)
    try:
        number_reader(COMMA)(text)
    except BadCell:
        pass


@pytest.mark.parametrize(
    ("vocabulary", "word", "value"),
    [
        *(("yes_no", word, "yes") for word in ("Ja", "да", "Sì", "kyllä", "já", "x", "TRUE", "1", "Subscribed")),
        *(("yes_no", word, "no") for word in ("nein", "Нет", "NO", "ei", "nei", "0", "opt-out")),
        *(("gender", word, "female") for word in ("W", "Frau", "ж", "kona", "kvk", "Nainen", "Signora", "Mrs.")),
        *(("gender", word, "male") for word in ("m", "Herr", "муж", "karl", "mies", "Uomo")),
        ("channel", "Sähköposti", "email"),
        ("sales_channel", "Webshop", "online"),
        ("yes_no", "perhaps", None),
    ],
)
def test_words_are_understood_in_the_languages_of_shops(vocabulary: str, word: str, value: str | None) -> None:
    assert meaning(vocabulary, word) == value


def test_a_year_of_two_digits_is_the_last_such_year() -> None:
    read = date_reader("dmy", today=TODAY, with_time=False)
    assert [read("01.02.27"), read("01.02.28"), read("1.2.99")] == ["2027-02-01", "1928-02-01", "1999-02-01"]
