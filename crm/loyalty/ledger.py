"""The ledger of points: entries are only added, and each moves the balance in the profile along with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from math import floor

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q, Sum

from crm.models import Customer, LoyaltyCard, LoyaltyEntry, Receipt, ReceiptLine

MOST_POINTS = 100_000_000
"""What one entry may move: terms that are slips of the keyboard must not overflow anybody's balance."""

Kind = LoyaltyEntry.Kind


def card_of(customer: Customer) -> LoyaltyCard | None:
    """The customer's card in use: the newest where there are several."""
    return customer.cards.filter(status=LoyaltyCard.Status.ACTIVE).order_by("-issued_at", "-id").first()


_MOVE = """
    UPDATE crm_customerprofile AS profile SET points = profile.points + moved.points
      FROM (SELECT customer_id, sum(points) AS points
              FROM unnest(%s::bigint[], %s::bigint[]) AS moved (customer_id, points)
             GROUP BY customer_id) AS moved
     WHERE profile.customer_id = moved.customer_id
"""


def post(entries: Sequence[LoyaltyEntry]) -> None:
    """Add entries and move the balances, in the caller's transaction, which holds the profiles of all their customers.

    Raises IntegrityError where one of the keys was posted before.
    """
    if not entries:
        return
    LoyaltyEntry.objects.bulk_create(entries)
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [[one.customer_id for one in entries], [one.points for one in entries]])


def moved_by(receipt: Receipt) -> list[LoyaltyEntry]:
    """What a sale earned and redeemed: the entries that its return takes back and gives back."""
    return list(LoyaltyEntry.objects.filter(receipt=receipt, kind__in=[Kind.EARN, Kind.REDEEM]).order_by("pk"))


def of_receipt(receipt: Receipt) -> dict[str, int]:
    """What a receipt says of points: ``points`` earned with it and ``redeemed`` for it, both 0 or more."""
    moved = LoyaltyEntry.objects.filter(receipt=receipt).aggregate(
        earned=Sum("points", filter=Q(kind=Kind.EARN), default=0),
        redeemed=Sum("points", filter=Q(kind=Kind.REDEEM), default=0),
    )
    return {"points": moved["earned"], "redeemed": -moved["redeemed"]}


def settle_returns(
    *,
    entries: Sequence[LoyaltyEntry],
    lines: Sequence[ReceiptLine],
    gone: Mapping[int, Fraction],
    cause: Receipt,
    by: User | None,
    now: datetime,
) -> list[LoyaltyEntry]:
    """Bring what these entries of a sale moved in line with what has been taken back of it; returns what was added.

    ``lines`` are the sale's, by position; ``gone`` says which share of a line (0 to 1, by its id) has been taken back
    in all, by ``cause`` and by any return before it. So it comes out exactly with the last part, however many there
    were. Points earned are rounded down on what remains, points redeemed on what goes back. The caller holds the sale
    and the profiles of the entries' customers.
    """
    done = _reversed_so_far(entries)
    added = []
    for entry in entries:
        # Of -7 points redeemed a half are +3 back, of 7 earned a half are -4 back: rounded down either way.
        due = floor(-entry.points * _share_gone(entry, lines, gone)) - done[entry.pk]
        if due:
            added.append(
                LoyaltyEntry(
                    customer_id=entry.customer_id,
                    card_id=entry.card_id,
                    receipt=cause,
                    kind=_reverse(entry),
                    points=due,
                    key=f"{_reverse(entry)}:{entry.pk}:{cause.pk}",
                    recorded_at=now,
                    recorded_by=by,
                )
            )
    post(added)
    return added


def _share_gone(entry: LoyaltyEntry, lines: Sequence[ReceiptLine], gone: Mapping[int, Fraction]) -> Fraction:
    """Which share (0 to 1) of what the entry is for has been taken back."""
    weights = entry.shares or [line.total_minor for line in lines]
    parts = (weight * gone.get(line.pk, Fraction(0)) for weight, line in zip(weights, lines, strict=True))
    return sum(parts, start=Fraction(0)) / (sum(weights) or 1)


def _reversed_so_far(entries: Sequence[LoyaltyEntry]) -> dict[int, int]:
    """By entry, the points that earlier reversals moved. Their keys name what they reverse."""
    done = dict.fromkeys((entry.pk for entry in entries), 0)
    sales = {entry.receipt_id for entry in entries}
    rows = LoyaltyEntry.objects.filter(
        Q(receipt__returns__in=sales) | Q(receipt__in=sales), kind__in=[Kind.TAKE_BACK, Kind.GIVE_BACK]
    )
    for key, points in rows.order_by().values_list("key", "points"):
        entry_id = int(key.split(":")[1])
        if entry_id in done:
            done[entry_id] += points
    return done


def _reverse(entry: LoyaltyEntry) -> str:
    return Kind.TAKE_BACK if entry.kind == Kind.EARN else Kind.GIVE_BACK
