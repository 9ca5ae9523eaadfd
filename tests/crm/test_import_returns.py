"""Returns and cancellations in files of receipts: what they are, and which sale they take back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm import profiles
from crm.importing import ImportResult, import_file
from crm.models import CustomerProfile, Receipt
from tests.crm import make

pytestmark = pytest.mark.django_db

Load = Callable[..., ImportResult]
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
CANCELLED = {"receipt_id": {"column": "InvoiceNo", "cancelled_prefix": "C"}, "Country": None}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(*rows: str, header: str = HEADER, **options: Any) -> ImportResult:
        path = tmp_path / "receipts.csv"
        path.write_text("\n".join([header, *rows, ""]))
        return import_file(kind="receipts", path=path, now=make.NOW, **options)

    return run


def taken_back() -> dict[str, str | None]:
    returns = Receipt.objects.filter(kind="return").order_by("external_id")
    return dict(returns.values_list("external_id", "returns__external_id"))


def test_a_cancellation_takes_back_the_latest_sale_of_the_same_lines(load: Load) -> None:
    rows = [
        "1,A,Lamp,2,2010-12-01 08:00,5.00,7,UK",
        "2,A,Lamp,2,2010-12-02 08:00,5.00,7,UK",
        "2,B,Cup,1,2010-12-02 08:00,3.00,7,UK",
        "3,A,Lamp,2,2010-12-03 08:00,5.00,8,UK",
        "4,A,Lamp,2,2010-12-09 08:00,5.00,7,UK",
        "C5,A,Lamp,-2,2010-12-05 08:00,5.00,7,UK",
        "C6,A,Lamp,-2,2010-12-06 08:00,5.00,7,UK",
        "C7,A,Lamp,-2,2010-12-07 08:00,5.00,7,UK",
        "C8,A,Lamp,-1,2010-12-08 08:00,5.00,7,UK",
        "C9,A,Lamp,-2,2010-12-08 08:00,5.00,,UK",
    ]
    result = load(*rows, mapping=CANCELLED)
    assert (result.created, result.refused) == (9, 0)
    assert result.extra == {"returns_without_receipt": 3, "returns_matched": 2}
    assert taken_back() == {"C5": "2", "C6": "1", "C7": None, "C8": None, "C9": None}
    assert load(*rows, mapping=CANCELLED).unchanged == 9
    assert profiles.differences() == []


def test_a_positive_quantity_under_a_cancelled_id_is_taken_back_all_the_same(load: Load) -> None:
    load("1,A,Lamp,2,2010-12-01 08:00,5.00,7,UK", mapping=CANCELLED)
    result = load("c2,A,Lamp,2,2010-12-05 08:00,5.00,7,UK", mapping=CANCELLED)
    assert result.extra == {"returns_without_receipt": 0, "returns_matched": 1}
    assert taken_back() == {"c2": "1"}
    assert CustomerProfile.objects.get().spend_minor == 0


def test_what_an_earlier_file_took_back_is_gone(load: Load) -> None:
    load("1,A,Lamp,2,2010-12-01 08:00,5.00,7,UK", "C2,A,Lamp,-2,2010-12-05 08:00,5.00,7,UK", mapping=CANCELLED)
    load("C3,A,Lamp,-2,2010-12-06 08:00,5.00,7,UK", mapping=CANCELLED)
    assert taken_back() == {"C2": "1", "C3": None}


def test_a_status_tells_what_was_cancelled(load: Load) -> None:
    header = "Order ID,Status,Date,SKU,Qty,Discount,Total"
    rows = [
        "1,completed,2026-01-02,A,1,0.50,9.50",
        "2,Cancelled,2026-01-03,A,1,0.50,9.50",
        "3,storniert,2026-01-03,A,1,,9.50",
        "4,возврат,2026-01-03,A,-1,,-9.50",
        "5,shipped,2026-01-03,A,1,,9.50",
    ]
    result = load(*rows, header=header)
    assert (result.created, result.refused, result.extra) == (5, 0, {"returns_without_receipt": 3})
    assert dict(Receipt.objects.values_list("external_id", "total_minor")) == {
        "1": 950,
        "2": -950,
        "3": -950,
        "4": -950,
        "5": 950,
    }
    said = {"status": {"column": "Status", "values": {"annullert": "cancelled", "cancelled": "no"}}}
    assert load("6,Annullert,2026-01-03,A,1,,1.00", header=header, mapping=said).extra["returns_without_receipt"] == 1
    assert load("7,Cancelled,2026-01-03,A,1,,1.00", header=header, mapping=said).extra["returns_without_receipt"] == 0


def test_a_named_receipt_is_believed(load: Load) -> None:
    header = "receipt_id,sold_at,customer_id,sku,quantity,unit_price,returns_receipt_id"
    load(
        "1,2026-01-01,7,A,1,5,",
        "2,2026-01-02,7,A,1,5,",
        "3,2026-01-03,7,A,-1,5,1",
        "4,2026-01-03,7,A,-1,5,nowhere",
        header=header,
    )
    assert taken_back() == {"3": "1", "4": None}
