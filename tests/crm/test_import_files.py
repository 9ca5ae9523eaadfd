"""What an import makes of its files and of its own name, whatever the rows hold."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from crm.importing import FileRefused, import_file
from crm.models import Receipt
from tests.crm import make

pytestmark = pytest.mark.django_db

HEADER = "receipt_id,sold_at,sku,quantity,line_total\n"
GOOD = "1,2026-03-02,a,1,2\n"
BAD = "2,never,a,1,2\n"


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
