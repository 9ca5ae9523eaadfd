"""What an import makes of its files and of its own name, whatever the rows hold."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from crm.importing import FileRefused, import_file
from crm.models import Receipt
from tests.crm import make
from tests.crm.test_import_receipts import receipts, refused

pytestmark = pytest.mark.django_db

HEADER = "receipt_id,sold_at,sku,quantity,line_total\n"
GOOD = "1,2026-03-02,a,1,2\n"
BAD = "2,never,a,1,2\n"


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_tills_own_name_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "receipts.csv"
    path.write_text(HEADER + GOOD.replace("1", "main-000001", 1))
    with pytest.raises(CommandError, match="“till” is the name of the shop's own till"):
        call_command("import_file", "receipts", path, source="till", stdout=StringIO())
    assert not Receipt.objects.exists()


def test_an_error_file_that_an_earlier_import_left_goes_once_all_is_taken(tmp_path: Path) -> None:
    path, errors = tmp_path / "receipts.csv", tmp_path / "receipts.refused.csv"
    path.write_text(HEADER + GOOD + BAD)
    assert import_file(kind="receipts", path=path, now=make.NOW).errors_file == errors

    path.write_text("nonsense\n1\n")
    with pytest.raises(FileRefused):
        import_file(kind="receipts", path=path, now=make.NOW)
    assert errors.exists()

    path.write_text(HEADER + GOOD)
    assert import_file(kind="receipts", path=path, now=make.NOW).errors_file is None
    assert not errors.exists()


def test_a_file_that_no_import_wrote_stays(tmp_path: Path) -> None:
    path, other = tmp_path / "receipts.csv", tmp_path / "receipts.refused.csv"
    path.write_text(HEADER + GOOD)
    other.write_text("my,own,list\n")
    import_file(kind="receipts", path=path, now=make.NOW)
    assert other.read_text() == "my,own,list\n"


def test_bytes_that_are_not_utf8_refuse_their_row_and_survive_in_the_error_file(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(
        b"receipt_id,sold_at,sku,product,quantity,line_total\n"
        b"1,2026-03-02 10:00,a,K\xe4se,1,2\n" + "2,2026-03-02 10:00,b,Rupjmaize ar ķimenēm,1,2\n".encode()
    )
    result = import_file(kind="receipts", path=path, now=NOW)
    assert (result.created, result.refused) == (1, 1)
    assert result.errors_file is not None
    assert (
        b"1,2026-03-02 10:00,a,K\xe4se,1,2,row 2: product: is not written in UTF-8." in result.errors_file.read_bytes()
    )


@pytest.mark.parametrize("stray", ['4,2026-03-02 10:00,a,"Oops,1,2', '4,2026-03-02 10:00,a,"Oo"ps,1,2'])
def test_a_stray_quotation_mark_costs_its_own_row_only(tmp_path: Path, stray: str) -> None:
    path = tmp_path / "quotes.csv"
    good = [f'{n},2026-03-02 10:00,a,"Bread, white",1,2' for n in (1, 2)]
    late = [f'{n},2026-03-02 10:00,a,"Two\nlines",1,2' for n in (5, 6)]
    path.write_text("\n".join(["receipt_id,sold_at,sku,product,quantity,line_total", *good, stray, *late, ""]))
    result = import_file(kind="receipts", path=path, now=NOW)
    assert (result.rows, result.created, result.refused) == (5, 4, 1)
    assert [receipt_id for receipt_id, *_ in receipts()] == ["1", "2", "5", "6"]
    [(receipt_id, reason)] = refused(result)
    assert receipt_id == "4"
    assert reason == "row 4: a quotation mark in it does not belong there, or is never closed."


def test_delimiters_and_a_byte_order_mark_are_recognised(tmp_path: Path) -> None:
    for number, delimiter in enumerate(",;\t|"):
        path = tmp_path / "export.csv"
        lines = ["Receipt ID,sold-at,sku,quantity,line_total", f"{number},2026-03-02 10:00,a,1,2", "bad,,a,1,2"]
        path.write_text("\n".join(lines).replace(",", delimiter), encoding="utf-8-sig")
        result = import_file(kind="receipts", path=path, now=NOW)
        assert (result.created, result.refused) == (1, 1)
        assert result.errors_file is not None
        head, bad = result.errors_file.read_bytes().splitlines()
        assert (
            head
            == (
                "\ufeff" + delimiter.join(["Receipt ID", "sold-at", "sku", "quantity", "line_total", "refused_because"])
            ).encode()
        )
        assert bad.startswith(f"bad{delimiter}{delimiter}a".encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty."),
        (b"receipt_id,sold_at,sku,quantity\n", "There is neither a column “unit_price” nor “line_total”."),
        (b"receipt_id,sold_at,sku,line_total\n", "The column “quantity” is missing."),
        (b"receipt_id,sold_at,sku,quantity,line_totl\n", "The column “line_totl” is unknown; is it “line_total”?"),
        (
            b"receipt_id,sold_at,sku,quantity,line_total,xyzzy\n",
            "The column “xyzzy” is unknown; known are: receipt_id,",
        ),
        (
            b"receipt_id,sold_at,sku,quantity,line_total,Country\n",
            "The column “Country” is unknown; known are: receipt_id,",
        ),
        (
            b"receipt_id,sold_at,sku,quantity,line_total,xyzzy\n",
            "A column that is not wanted is left out by a mapping that gives it null.",
        ),
        (b"receipt_id,sold_at,sku,sku,quantity,line_total\n", "The column “sku” is there twice."),
        (b"receipt_id,sold_at,sku,quantity,line_total,\n", "Column 6 has no name."),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_as_a_whole(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "receipts.csv"
    path.write_bytes(content)
    with pytest.raises(FileRefused) as refusal:
        import_file(kind="receipts", path=path, now=NOW)
    assert message in str(refusal.value)
    assert not Receipt.objects.exists()


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="cannot be read: No such file or directory"):
        import_file(kind="receipts", path=tmp_path / "none.csv", now=NOW)


def test_the_command_prints_json_only_and_exits_with_1_when_a_row_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipts.csv"
    path.write_text("receipt_id,sold_at,sku,quantity,line_total\n1,2026-03-02,a,1,2\n")
    call_command("import_file", "receipts", path, json=True, stdout=(out := StringIO()))
    assert json.loads(out.getvalue()) == {
        "rows": 1,
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "refused": 0,
        "returns_without_receipt": 0,
        "errors_file": None,
    }

    path.write_text("receipt_id,sold_at,sku,quantity,line_total\n1,2026-03-02,a,1,2\n2,never,a,1,2\n")
    errors = tmp_path / "errors.csv"
    with pytest.raises(SystemExit) as stopped:
        call_command("import_file", "receipts", path, json=True, errors=str(errors), stdout=(out := StringIO()))
    assert stopped.value.code == 1
    assert (counts := json.loads(out.getvalue()))["errors_file"] == str(errors)
    assert (counts["rows"], counts["unchanged"], counts["refused"]) == (2, 1, 1)

    path.write_text("nonsense\n1\n")
    with pytest.raises(CommandError, match="The column “nonsense” is unknown"):
        call_command("import_file", "receipts", path, stdout=StringIO())
