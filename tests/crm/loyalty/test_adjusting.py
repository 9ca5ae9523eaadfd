import uuid

import pytest

from crm import loyalty, profiles
from crm.models import Customer, CustomerProfile, LoyaltyEntry
from tests.crm import make

pytestmark = pytest.mark.django_db


def adjust(customer: Customer, points: int, reason: str = "Complaint", key: uuid.UUID | None = None) -> LoyaltyEntry:
    return loyalty.adjust_points(
        customer=customer, points=points, reason=reason, by=None, now=make.NOW, key=key or uuid.uuid4()
    )


def test_points_are_given_and_taken_by_hand_with_a_reason_once() -> None:
    customer, key = make.customer(card="29000001"), uuid.uuid4()
    adjust(customer, 100)
    taken = [adjust(customer, -30, " Typed  twice ", key) for _ in range(2)]

    assert taken[0] == taken[1]
    assert (taken[0].note, taken[0].card.number if taken[0].card else "") == ("Typed twice", "29000001")
    assert CustomerProfile.objects.get().points == 70
    assert list(profiles.differences()) == []


@pytest.mark.parametrize(
    ("points", "reason", "why"),
    [(10, " ", "Say why"), (0, "x", "how many"), (-101, "x", "only 100"), (100_000_001, "x", "how many")],
)
def test_what_cannot_be_right_is_refused(points: int, reason: str, why: str) -> None:
    customer = make.customer()
    adjust(customer, 100)
    with pytest.raises(loyalty.AdjustmentRefused, match=why):
        adjust(customer, points, reason)
    assert CustomerProfile.objects.get().points == 100
