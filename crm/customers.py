"""Adding and changing customers. Finding them is in crm/finding.py; its functions are here for their callers, too."""

import uuid
from datetime import datetime
from typing import Any, TypedDict

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm import addresses, bell, custom_fields, forgotten, marks, person
from crm.finding import Found, by_card, live, look_up, search, survivor
from crm.models import Customer, CustomerProfile
from crm.text import clean, collation_key, fold, name_words, postcode_keys

__all__ = [
    "CustomerClash",
    "DerivedKeys",
    "Found",
    "by_card",
    "change_customer",
    "create_customer",
    "derive_keys",
    "derived_keys",
    "live",
    "look_up",
    "search",
    "survivor",
]


class DerivedKeys(TypedDict):
    """The columns of a customer that follow from others, in the order in which an import writes them."""

    email_key: str
    phone_key: str
    postcode_key: str
    name_words: str
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

    ``country`` (ISO 3166, else the shop's) tells how a phone number without prefix is meant. ``name_words`` is what a
    name is found by (crm/name_search.py), ``search_text`` all else that narrows a search: each word after a blank.
    """
    email_key = addresses.email_key(email)
    phone_key = addresses.phone_key(phone, country=country if len(country) == 2 else "")
    # Of an address the part before the @: everybody shares the rest, so it tells nobody apart.
    words = (number, email_key.rpartition("@")[0], phone_key.lstrip("+"), postcode)
    return {
        "email_key": email_key,
        "phone_key": phone_key,
        "postcode_key": postcode_keys(postcode)[0],
        "name_words": " ".join(dict.fromkeys((*name_words(first_name), *name_words(last_name)))),
        "search_text": (" " + " ".join([fold(word) for word in words if word.strip()]))[:600],
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


def create_customer(
    *,
    now: datetime,
    key: uuid.UUID | None = None,
    registered: bool = False,
    **fields: Any,
) -> Customer:
    """Add a customer, with a profile, a mark and, unless ``number`` is given, a customer number of their own.

    ``key`` is of the client's making: the same key returns the customer that it made the first time; with other
    content it raises :class:`CustomerClash`. Raises ValidationError on fields that cannot be right, and
    :class:`crm.forgotten.Forgotten` on old data of somebody who was erased; who signs up anew is welcome.
    """
    customer = Customer(public_id=key or uuid.uuid4(), registered_at=now if registered else None, **fields)
    for name in ("first_name", "last_name"):
        setattr(customer, name, clean(getattr(customer, name)))
    customer.email = addresses.clean_email(customer.email)
    customer.phone = addresses.clean_phone(customer.phone)
    customer.custom = custom_fields.clean(customer.custom)
    if key and (first := Customer.objects.filter(public_id=key).first()):
        return _same(first, customer)
    is_numbered = not customer.number
    customer.pk, number = _next_number()
    customer.number = customer.number or number
    derive_keys(customer)
    # Whether the number is free is asked after the insert: a repeat's own first sending may be the one that took it.
    customer.full_clean(validate_unique=False, validate_constraints=False)
    try:
        with transaction.atomic():
            customer.save(force_insert=True)
            forgotten.welcome(customer=customer, since=now, is_numbered=is_numbered)
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
        was_profiled = not locked.no_profiling
        if fields.get("postcode", locked.postcode) != locked.postcode:
            # Of another postcode without a point of its own it isn't known where that is.
            fields = {"latitude": None, "longitude": None, **fields}
        if "custom" in fields:
            fields["custom"] = custom_fields.clean(fields["custom"])
        for name, value in fields.items():
            setattr(locked, name, clean(value) if name in ("first_name", "last_name") else value)
        locked.email = addresses.clean_email(locked.email)
        locked.phone = addresses.clean_phone(locked.phone)
        derive_keys(locked)
        locked.full_clean()
        locked.save()
        if locked.no_profiling and was_profiled:
            person.leave_groups(ids=[locked.pk], now=timezone.now())
        marks.mark_customers(customer_ids=[locked.pk])
        bell.ring_after_commit("segments.tasks.refresh_marked")
    return locked


def _next_number() -> tuple[int, str]:
    """The next id, and a customer number made of it that no import has brought, and no erased person bore."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('crm_customer', 'id'))")
            pk: int = cursor.fetchone()[0]
            number = f"R{pk:07d}"
            if not Customer.objects.filter(number=number).exists() and not forgotten.knows_number(number):
                return pk, number


def _same(first: Customer, again: Customer) -> Customer:
    for name in ("first_name", "last_name", "email", "phone"):
        if getattr(first, name) != getattr(again, name):
            raise CustomerClash(_("This form was sent before with other content. Reload the page and try again."))
    return first
