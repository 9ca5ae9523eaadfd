"""Finding and adding customers."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Func, QuerySet
from django.utils.translation import gettext as _

from crm import addresses, bell, marks
from crm.models import Customer, CustomerProfile, LoyaltyCard
from crm.text import clean, collation_key, fold

MIN_LETTERS = 2
"""Names are searched from this many letters on; a card or customer number may be shorter."""

MIN_LETTERS_MISTYPED = 3
"""Of fewer letters than these, everything is almost the same."""

MIN_PHONE_DIGITS = 7
"""Fewer digits are a customer or card number, not a phone."""

SIMILARITIES = (0.6, 0.4)
"""Word similarity (0 to 1) from which a name is taken for a mistyped one: the far ones only where none is near."""


class DerivedKeys(TypedDict):
    email_key: str
    phone_key: str
    search_text: str
    name_key: bytes


class CustomerClash(ValidationError):
    """The key under which a till adds a customer already stands for another one."""


def derived_keys(
    *,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
    phone: str = "",
    number: str = "",
    postcode: str = "",
    country: str = "",
) -> DerivedKeys:
    """The columns of :class:`Customer` that follow from others, for one row of a form or an import.

    ``country`` (ISO 3166, else the shop's) tells how a phone number without prefix is meant. ``search_text`` begins
    with a blank, so that "begins a word" is one LIKE pattern.
    """
    email_key = addresses.email_key(email)
    phone_key = addresses.phone_key(phone, country=country if len(country) == 2 else "")
    # Of an address the part before the @: everybody shares the rest, so it tells nobody apart and slows every search.
    words = (f"{first_name} {last_name}", number, email_key.rpartition("@")[0], phone_key.lstrip("+"), postcode)
    return {
        "email_key": email_key,
        "phone_key": phone_key,
        "search_text": (" " + " ".join(fold(word) for word in words if word.strip()))[:1200],
        "name_key": collation_key(f"{last_name} {first_name}".strip()),
    }


def derive_keys(customer: Customer) -> None:
    """Fill the derived columns of a customer that is about to be saved."""
    keys = derived_keys(
        first_name=customer.first_name,
        last_name=customer.last_name,
        email=customer.email,
        phone=customer.phone,
        number=customer.number,
        postcode=customer.postcode,
        country=customer.country,
    )
    for name, value in keys.items():
        setattr(customer, name, value)


def live() -> QuerySet[Customer]:
    """Customers that are neither merged into another record nor erased."""
    return Customer.objects.filter(merged_into=None, erased_at=None)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found; ``exact`` where the text was a whole card or customer number, phone or e-mail address."""

    customers: list[Customer]
    exact: bool


def search(*, text: str, limit: int = 10) -> list[Customer]:
    """Customers that the text may mean, best first: see :func:`look_up`."""
    return look_up(text=text, limit=limit).customers


def look_up(*, text: str, limit: int = 10) -> Found:
    """Find customers by card number, customer number, phone, e-mail or name.

    A whole number or address names its customers, all of them where two share it, and nobody else. Otherwise come
    those in whose name (or number, address, postcode) each word begins a word; where those are fewer than ``limit``,
    also those that are written almost so. Accents, case and script do not matter.
    """
    written = clean(text)[:200]
    if exact := _exactly(written, limit):
        return Found(customers=exact, exact=True)
    words = fold(written).split()
    if sum(map(len, words)) < MIN_LETTERS:
        return Found(customers=[], exact=False)
    if "@" in written:
        key = addresses.email_key(written)
        begun = live().filter(email_key__startswith=key).exclude(email_key="").order_by("email_key", "id")
        return Found(customers=list(begun[:limit]), exact=False)
    found = list(_beginning_with(words)[:limit])
    if len(found) < limit and sum(char.isalpha() for char in written) >= MIN_LETTERS_MISTYPED:
        found += _almost(" ".join(words), limit - len(found), [customer.pk for customer in found])
    return Found(customers=found, exact=False)


def by_card(*, number: str) -> list[Customer]:
    """Who holds this card in use, or has this customer number: what a scanner reads off a card."""
    squeezed = clean(number)[:100].replace(" ", "")
    if not squeezed:
        return []
    cards = LoyaltyCard.objects.filter(number=squeezed, status=LoyaltyCard.Status.ACTIVE).order_by()
    numbers = Customer.objects.filter(number=squeezed).order_by()
    ids = cards.values_list("customer").union(numbers.values_list("pk"))
    return list(live().filter(pk__in=[row[0] for row in ids]))


def _exactly(written: str, limit: int) -> list[Customer]:
    """Each way of being named has an index of its own, so each is a query of its own in one union."""
    squeezed = written.replace(" ", "")
    if not squeezed:
        return []
    cards = LoyaltyCard.objects.filter(number__in={written, squeezed}, status=LoyaltyCard.Status.ACTIVE).order_by()
    ways = [Customer.objects.filter(number__in={written, squeezed})]
    if "@" in squeezed:
        ways.append(Customer.objects.filter(email_key=addresses.email_key(squeezed)))
    if sum(char.isdigit() for char in squeezed) >= MIN_PHONE_DIGITS and (phone := addresses.phone_key(written)):
        ways.append(Customer.objects.filter(phone_key=phone))
    ids = cards.values_list("customer").union(*(way.order_by().values_list("pk") for way in ways))
    return list(live().filter(pk__in=[row[0] for row in ids])[:limit])


def _beginning_with(words: list[str]) -> QuerySet[Customer]:
    found = live()
    for word in words:
        # The end of a phone or customer number is what people remember of it.
        inside = word.isdigit() and len(word) >= 4
        found = found.filter(search_text__contains=word if inside else f" {word}")
    # Where the planner thinks a rare name common it would walk all names in their order: this one has no index to walk.
    return found.order_by(Func(F("name_key"), template="%(expressions)s || ''::bytea"), "id")


def _almost(words: str, limit: int, besides: list[int]) -> list[Customer]:
    ids: list[int] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for similarity in SIMILARITIES:
            cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(similarity)])
            cursor.execute(
                "SELECT id FROM crm_customer WHERE %s <%% search_text AND merged_into_id IS NULL AND erased_at IS NULL "
                "AND NOT id = ANY(%s) ORDER BY %s <<-> search_text, name_key, id LIMIT %s",
                [words, besides, words, limit],
            )
            ids = [row[0] for row in cursor.fetchall()]
            if ids or besides:
                break
    found = Customer.objects.in_bulk(ids)
    return [found[pk] for pk in ids if pk in found]


def create_customer(
    *,
    now: datetime,
    key: uuid.UUID | None = None,
    registered: bool = False,
    **fields: Any,
) -> Customer:
    """Add a customer, with a profile, a mark and, unless ``number`` is given, a customer number of their own.

    ``key`` is of the client's making: the same key returns the customer that it made the first time; with other
    content it raises :class:`CustomerClash`. Raises ValidationError on fields that cannot be right.
    """
    customer = Customer(public_id=key or uuid.uuid4(), registered_at=now if registered else None, **fields)
    for name in ("first_name", "last_name"):
        setattr(customer, name, clean(getattr(customer, name)))
    customer.email = addresses.clean_email(customer.email)
    customer.phone = addresses.clean_phone(customer.phone)
    if key and (first := Customer.objects.filter(public_id=key).first()):
        return _same(first, customer)
    customer.pk, number = _next_number()
    customer.number = customer.number or number
    derive_keys(customer)
    # Whether the number is free is asked after the insert: a repeat's own first sending may be the one that took it.
    customer.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            customer.save(force_insert=True)
            CustomerProfile.objects.create(customer=customer)
            marks.mark_customers(customer_ids=[customer.pk])
    except IntegrityError:
        # The same form sent twice at once: the other one was first.
        if key and (first := Customer.objects.filter(public_id=key).first()):
            return _same(first, customer)
        if Customer.objects.filter(number=customer.number).exists():
            raise ValidationError({"number": _("There is a customer with this number already.")}) from None
        raise
    return customer


def change_customer(*, customer: Customer, **fields: Any) -> Customer:
    """Change what is known of a customer, with everything that follows from it, and mark them as changed.

    Raises ValidationError on fields that cannot be right, and where the record is closed (merged or erased).
    """
    with transaction.atomic():
        locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if not locked.is_live:
            raise ValidationError(_("This customer's record is closed. Look the customer up again."))
        for name, value in fields.items():
            setattr(locked, name, clean(value) if name in ("first_name", "last_name") else value)
        locked.email = addresses.clean_email(locked.email)
        locked.phone = addresses.clean_phone(locked.phone)
        derive_keys(locked)
        locked.full_clean()
        locked.save()
        marks.mark_customers(customer_ids=[locked.pk])
        bell.ring_after_commit("segments.tasks.refresh_marked")
    return locked


def _next_number() -> tuple[int, str]:
    """The next id, and a customer number made of it that no import has brought."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('crm_customer', 'id'))")
            pk: int = cursor.fetchone()[0]
            number = f"R{pk:07d}"
            if not Customer.objects.filter(number=number).exists():
                return pk, number


def _same(first: Customer, again: Customer) -> Customer:
    for name in ("first_name", "last_name", "email", "phone"):
        if getattr(first, name) != getattr(again, name):
            raise CustomerClash(_("This form was sent before with other content. Reload the page and try again."))
    return first
