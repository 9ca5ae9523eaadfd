"""Finding customers, whatever is known of them. What is found comes best first, and live records only.

Each way of being named has an index in which the answer is the beginning of a range, so that a common beginning ("ma")
costs as little as a rare one. Mistyped words are looked for only where too few are found without (crm/name_search.py).
"""

import itertools
import re
import string
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import phonenumbers
from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from crm import addresses, name_search
from crm.models import Customer, LoyaltyCard
from crm.name_search import Ranking
from crm.text import clean, fold, postcode_keys, typed_words

MIN_LETTERS = 2
"""Names are searched from this many letters on; a card or customer number may be shorter."""

MIN_PHONE_DIGITS = 7
"""Fewer digits are a customer or card number, not a phone."""

MIN_END = 4
"""So many last digits of a phone or number, or first ones of a card, are worth looking for."""

MIN_SLIP = 5
"""Of shorter numbers too many are but one slip away."""

FEW = 3
"""With so many found under a word as it was typed, it was not mistyped; two words together are enough to find one."""

MOST_WORDS = 6
MOST_LOOKED_AT = 300
"""Of more people with the same postcode, or the same end of a phone, those who come first in the index are ranked."""

_BETWEEN_DIGITS = re.compile(r"[ +()./-]+")

Way = tuple[int | str, str, str, list[str]]
"""A rank (less is better), what is joined, a condition with an index of its own, and its values."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found; ``exact`` where the text was a whole card or customer number, phone or e-mail address."""

    customers: list[Customer]
    exact: bool


def live() -> QuerySet[Customer]:
    """Customers that are neither merged into another record nor erased."""
    return Customer.objects.filter(merged_into=None, erased_at=None)


def survivor(customer: Customer) -> Customer:
    """The record that a merged-away one lives on in; any other is its own."""
    while customer.merged_into is not None:
        customer = customer.merged_into
    return customer


def search(*, text: str, limit: int = 10) -> list[Customer]:
    """Customers that the text may mean, best first: see :func:`look_up`."""
    return look_up(text=text, limit=limit).customers


def look_up(*, text: str, limit: int = 10) -> Found:
    """Find customers by card number, customer number, phone, e-mail, postcode or name.

    A whole number or address names its customers, all of them where two share it, and nobody else. Otherwise come
    those with such a name (in any order, its words begun), such an end of a phone or number, such a postcode or
    beginning of an address; where there are none, or few with the one word that was typed, also those that are written
    almost so. Accents, case and script do not matter.
    """
    written = clean(text)[:200]
    if exact := _exactly(written, limit):
        return Found(customers=exact, exact=True)
    found = Ranking(limit)
    words = list(dict.fromkeys(typed_words(written)))[:MOST_WORDS]
    codes = [chunk for chunk in written.split() if "@" in chunk or any(char.isdigit() for char in chunk)]
    if sum(map(len, words)) < MIN_LETTERS:
        return Found(customers=[], exact=False)
    if codes:
        besides = typed_words(" ".join(chunk for chunk in written.split() if chunk not in codes))[:MOST_WORDS]
        if "@" not in written:
            name_search.begun(found, written, words, together=True)
        _by_codes(found, codes, besides)
    else:
        name_search.begun(found, written, words)
        if found.wanted and " " not in written:
            _by_codes(found, [written], [])
        if len(found.ids) < (FEW if len(words) == 1 else 1):
            name_search.mistyped(found, words)
    return Found(customers=_in_order(found.ids), exact=False)


_LIVES_ON = Coalesce("merged_into", "pk")
"""Whoever knows the number or an address of a merged-away record means the survivor."""


def by_card(*, number: str) -> list[Customer]:
    """Who holds this card (or held it, and got another for it), or has this customer number: what a scanner reads."""
    squeezed = clean(number)[:100].replace(" ", "")
    if not squeezed:
        return []
    cards = _cards([squeezed])
    numbers = Customer.objects.filter(number=squeezed).order_by()
    ids = cards.values_list("customer").union(numbers.values_list(_LIVES_ON))
    return list(live().filter(pk__in=[row[0] for row in ids]))


def _cards(numbers: Collection[str]) -> QuerySet[LoyaltyCard]:
    """Cards in use with these numbers, and lost ones that were replaced while their owner has another in use."""
    in_use = LoyaltyCard.objects.filter(customer=OuterRef("customer"), status=LoyaltyCard.Status.ACTIVE)
    found = Q(status=LoyaltyCard.Status.ACTIVE) | Q(Exists(in_use), replaced_by__isnull=False)
    return LoyaltyCard.objects.filter(found, number__in=numbers).order_by()


def _exactly(written: str, limit: int) -> list[Customer]:
    """Each way of being named has an index of its own, so each is a query of its own in one union."""
    squeezed = written.replace(" ", "")
    if not squeezed:
        return []
    cards = _cards({written, squeezed})
    ways = [Customer.objects.filter(number__in={written, squeezed})]
    if "@" in squeezed:
        ways.append(Customer.objects.filter(email_key=addresses.email_key(squeezed)))
    if sum(char.isdigit() for char in squeezed) >= MIN_PHONE_DIGITS and (phone := addresses.phone_key(written)):
        ways.append(Customer.objects.filter(phone_key=phone))
    ids = cards.values_list("customer").union(*(way.order_by().values_list(_LIVES_ON) for way in ways))
    return list(live().filter(pk__in=[row[0] for row in ids])[:limit])


def _by_codes(found: Ranking, codes: Sequence[str], names: Sequence[str]) -> None:
    """Those with such a number, phone, address or postcode (all codes as one, else each), and with such a name."""
    found.add(_of_code("".join(codes), [], names, found.limit))
    if found.wanted and len(codes) > 1:
        found.add(_of_code(codes[0], codes[1:], names, found.limit))
    if found.wanted and not names:
        found.add(_of_slips("".join(codes), found.limit))


def _of_code(code: str, others: Sequence[str], names: Sequence[str], limit: int) -> list[int]:
    ways = _address_ways(code) if "@" in code else [*_number_ways(code), *_phone_ways(code), *_address_ways(code)]
    narrowed = "".join(" AND search_text LIKE %s" for _other in others)
    narrowed += "".join(" AND ' ' || name_words LIKE %s" for _name in names)
    besides = [f"%{'' if other.isdigit() else ' '}{_escaped(fold(other))}%" for other in others]
    besides += [f"% {name}%" for name in names]
    selects = [
        f"(SELECT customer.id, name_key, {rank} AS rank FROM crm_customer AS customer {joined} "
        f"WHERE {condition} AND merged_into_id IS NULL AND erased_at IS NULL{narrowed} LIMIT {MOST_LOOKED_AT})"
        for rank, joined, condition, _values in ways
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM ({' UNION ALL '.join(selects)}) AS picked GROUP BY id, name_key "
            "ORDER BY min(rank), name_key, id LIMIT %s",
            [*itertools.chain.from_iterable([*values, *besides] for *_way, values in ways), limit],
        )
        return [row[0] for row in cursor.fetchall()]


def _number_ways(code: str) -> list[Way]:
    """By the beginning or the end of a customer number, a card, and a postcode."""
    starts = [f"{_escaped(form)}%" for form in {code, code.upper(), code.lower()}]
    ways: list[Way] = [(1, "", "(" + " OR ".join(["number LIKE %s"] * len(starts)) + ")", starts)]
    if len(code) >= MIN_END:
        card = "JOIN crm_loyaltycard AS card ON card.customer_id = customer.id"
        ways += [
            (1, card, "card.number LIKE %s AND card.status = 'active'", [f"{_escaped(code)}%"]),
            (2, "", "reverse(number) LIKE %s", [f"{_escaped(code[::-1])}%"]),
        ]
    for key in postcode_keys(code):  # letters and digits alone
        if any(char.isdigit() for char in key):
            ways.append(
                (f"4 - (postcode_key = '{key}')::int", "", "postcode_key LIKE %s AND postcode_key <> ''", [f"{key}%"])
            )
    return ways


def _phone_ways(code: str) -> list[Way]:
    """By the beginning of a phone, as one writes it at home or from abroad, or by its end."""
    digits = _BETWEEN_DIGITS.sub("", code)
    if len(digits) < MIN_END or not digits.isdigit():
        return []
    return [
        (2, "", "phone_key LIKE %s AND phone_key <> ''", [f"+{_calling_code()}{digits.lstrip('0')}%"]),
        (2, "", "phone_key LIKE %s AND phone_key <> ''", [f"+{digits}%"]),
        (2, "", "reverse(phone_key) LIKE %s AND phone_key <> ''", [f"{digits[::-1]}%"]),
    ]


def _address_ways(code: str) -> list[Way]:
    return [(5, "", "email_key LIKE %s AND email_key <> ''", [f"{_escaped(addresses.email_key(code))}%"])]


def _of_slips(code: str, limit: int) -> list[int]:
    """Those whose number, phone or address is one slip away from what was typed as a whole."""
    if len(code) < MIN_SLIP or not any(char.isdigit() or char == "@" for char in code):
        return []
    if "@" in code:
        letters = string.ascii_lowercase + string.digits + "._-@"
        ways = [("crm_customer ON email_key = slip AND email_key <> ''", "id", [addresses.email_key(code)])]
    else:
        letters = string.digits
        active = "crm_loyaltycard AS card ON card.number = slip AND status = 'active'"
        ways = [
            ("crm_customer ON number = slip", "id", [code, code.upper()]),
            (active, "customer_id", [code]),
        ]
        digits = _BETWEEN_DIGITS.sub("", code)
        if digits.isdigit() and len(digits) >= MIN_PHONE_DIGITS:
            phones = [f"+{digits}", f"+{_calling_code()}{digits.lstrip('0')}", addresses.phone_key(code)]
            ways.append(("crm_customer ON phone_key = slip AND phone_key <> ''", "id", phones))
    slips = [list(set().union(*(name_search.slips(form, letters) for form in forms))) for *_way, forms in ways]
    found = " UNION ".join(f"SELECT {id_} FROM unnest(%s::text[]) AS slip JOIN {table}" for table, id_, _forms in ways)
    with connection.cursor() as cursor:
        # Where the planner thinks a slip common it would walk all names in their order: this one has no index to walk.
        cursor.execute(
            f"SELECT id FROM crm_customer WHERE id IN ({found}) AND merged_into_id IS NULL AND erased_at IS NULL "
            "ORDER BY name_key || ''::bytea, id LIMIT %s",
            [*slips, limit],
        )
        return [row[0] for row in cursor.fetchall()]


def _calling_code() -> int:
    """Of the shop's country."""
    return phonenumbers.country_code_for_region(settings.COUNTRY.upper())


def _escaped(value: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", value)


def _in_order(ids: Iterable[int]) -> list[Customer]:
    found = live().in_bulk(list(ids))
    return [found[pk] for pk in ids if pk in found]
