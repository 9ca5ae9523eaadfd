from pathlib import Path

import pytest

from crm import profiles, sales
from crm.importing import import_file
from crm.models import Customer, CustomerProfile, LoyaltyEntry, Receipt, Tier, TierAward
from tests.crm import make

pytestmark = pytest.mark.django_db

HEADER = "receipt_id,sold_at,customer_id,sku,quantity,line_total,returns_receipt_id"


def bring(tmp_path: Path, *rows: str) -> None:
    file = tmp_path / "receipts.csv"
    file.write_text("\n".join([HEADER, *rows]))
    assert import_file(kind="receipts", path=file, now=make.NOW).refused == 0


def test_imported_purchases_reach_tiers_but_earn_no_points(tmp_path: Path) -> None:
    Tier.objects.create(name="Silver", spend_minor=50_00)
    make.customer(number="7", registered=True)
    make.customer(number="8", registered=True)

    bring(tmp_path, "1,2026-05-02,7,milk,1,30.00,", "2,2026-05-03,7,milk,1,30.00,", "3,2026-05-03,8,milk,1,30.00,")

    assert list(TierAward.objects.values_list("customer__number", "tier__name")) == [("7", "Silver")]
    assert not LoyaltyEntry.objects.exists()


def test_an_imported_return_takes_back_the_points_that_its_sale_earned_when_it_was_claimed(tmp_path: Path) -> None:
    bring(tmp_path, "1,2026-05-02,,milk,4,40.00,")
    customer = make.customer(registered=True)
    sales.claim_receipt(receipt=Receipt.objects.get(), customer=customer, by=None, now=make.NOW)
    assert CustomerProfile.objects.get(customer=customer).points == 40

    bring(
        tmp_path, f"2,2026-05-03,{customer.number},milk,-1,-10.00,1", f"3,2026-05-04,{customer.number},milk,-1,-9.00,1"
    )

    assert CustomerProfile.objects.get(customer=customer).points == 20
    assert Customer.objects.get(number=customer.number).receipts.count() == 3
    assert list(profiles.differences()) == []
