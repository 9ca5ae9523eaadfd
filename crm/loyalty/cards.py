"""Loyalty cards: EAN-13 numbers of the shop's own, handed out, replaced and closed. Points belong to the customer."""

from datetime import datetime

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from crm import marks
from crm.models import Customer, LoyaltyCard, LoyaltyProgramme
from crm.text import clean

DIGITS = 12
"""Of an EAN-13 without its check digit."""


class CardRefused(ValidationError):
    """This cannot be done with the card; the message says why."""


def check_digit(digits: str) -> str:
    """The last digit of an EAN (GTIN) whose others these are: weights 3 and 1 from the right."""
    weighted = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return str(-weighted % 10)


_NEXT = """
    UPDATE crm_loyaltyprogramme SET cards_numbered = cards_numbered + 1 WHERE id = 1
    RETURNING cards_numbered, card_prefix
"""


def next_number() -> str:
    """The next number of the shop's range that no card bears yet, wherever that came from."""
    LoyaltyProgramme.objects.get_or_create(pk=1)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(_NEXT)
            counted, prefix = cursor.fetchone()
            digits = prefix + str(counted).zfill(DIGITS - len(prefix))
            if len(digits) > DIGITS:
                raise CardRefused(
                    _("All numbers of this range are used up. Choose another beginning in the programme.")
                )
            number = digits + check_digit(digits)
            if not LoyaltyCard.objects.filter(number=number).exists():
                return number


def issue_card(*, customer: Customer, by: User | None, now: datetime, number: str = "") -> LoyaltyCard:
    """Give the customer a card: one with this number, as a printed card bears it, or with the next of the range.

    Raises :class:`CardRefused`.
    """
    if not customer.is_live:
        raise CardRefused(_("This customer's record is closed. Look the customer up again."))
    number = clean(number).replace(" ", "")[:50]
    try:
        with transaction.atomic():
            card = LoyaltyCard.objects.create(number=number or next_number(), customer=customer, issued_at=now)
            _note(card, by, ADDITION, _("Issued."))
    except IntegrityError:
        raise CardRefused(_("There is a card with this number already.")) from None
    return card


def replace_card(*, card: LoyaltyCard, by: User | None, now: datetime, number: str = "") -> LoyaltyCard:
    """Give its owner a new card for a lost one; the points are theirs as before.

    The old number still finds them at the till, and earns to the new card. Raises :class:`CardRefused`.
    """
    with transaction.atomic():
        old = LoyaltyCard.objects.select_for_update().get(pk=card.pk)
        if old.replaced_by_id is not None:
            raise CardRefused(_("This card was replaced already."))
        if old.status == LoyaltyCard.Status.CLOSED:
            raise CardRefused(_("This card is closed. Issue a new one instead."))
        new = issue_card(customer=old.customer, by=by, now=now, number=number)
        old.status, old.replaced_by = LoyaltyCard.Status.LOST, new
        old.save(update_fields=["status", "replaced_by"])
        _note(old, by, CHANGE, _("Lost; replaced by %(number)s.") % {"number": new.number})
    return new


def lose_card(*, card: LoyaltyCard, by: User | None) -> None:
    """The card was lost and its owner wants none for now: its number finds nobody from now on."""
    _end(card, LoyaltyCard.Status.LOST, by, _("Reported lost."))


def close_card(*, card: LoyaltyCard, by: User | None) -> None:
    """The card is used no more. The points stay with the customer."""
    _end(card, LoyaltyCard.Status.CLOSED, by, _("Closed."))


def _end(card: LoyaltyCard, status: str, by: User | None, note: str) -> None:
    with transaction.atomic():
        held = LoyaltyCard.objects.select_for_update().get(pk=card.pk)
        if held.status != LoyaltyCard.Status.ACTIVE:
            raise CardRefused(_("This card is not in use."))
        held.status = status
        held.save(update_fields=["status"])
        _note(held, by, CHANGE, note)


def replacement_of(number: str) -> LoyaltyCard | None:
    """The card in use for which a lost one with this number was replaced, however often; None for any other number."""
    card = LoyaltyCard.objects.filter(number=number, replaced_by__isnull=False).select_related("replaced_by").first()
    while card is not None and card.replaced_by is not None:
        card = card.replaced_by
    return card if card is not None and card.status == LoyaltyCard.Status.ACTIVE else None


def _note(card: LoyaltyCard, by: User | None, flag: int, message: str) -> None:
    marks.mark_customers(customer_ids=[card.customer_id])
    if by is not None:
        LogEntry.objects.log_actions(by.pk, [card], flag, message, single_object=True)
