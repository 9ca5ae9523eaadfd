"""What imports do about erased people: nobody comes back with a file. Where nobody was erased, nothing is looked up.

Only what the file would make anew is compared: a number that a live customer bears says who that is.
"""

from collections.abc import Iterator
from typing import Any

from crm import addresses, forgotten
from crm.addresses import address_hash
from crm.importing.shop import FETCHED
from crm.models import ErasedIdentity

Kind = ErasedIdentity.Kind

_NEW_PEOPLE = """
    SELECT row, customer_id, email, phone, country, card_number FROM import_row AS new
     WHERE NOT EXISTS (SELECT FROM crm_customer AS customer WHERE customer.number = new.customer_id)
"""
_NEW_NUMBERS = """
    SELECT DISTINCT customer FROM import_new AS new
     WHERE customer <> '' AND NOT EXISTS (SELECT FROM crm_customer AS known WHERE known.number = new.customer)
"""
_NEW_CARDS = """
    SELECT DISTINCT card_number FROM import_receipt AS new
     WHERE card_number IS NOT NULL
       AND NOT EXISTS (SELECT FROM crm_loyaltycard AS card WHERE card.number = new.card_number)
"""


def refuse_people(cursor: Any, *, reason: str) -> None:
    """Note the rows of ``import_row`` that would bring an erased person back as problems, with this reason."""
    if not forgotten.anybody():
        return
    known = {str(kind): forgotten.hashes(kind) for kind in Kind}

    def is_erased(customer_id: str, email: str, phone: str, country: str, card_number: str) -> bool:
        return (
            address_hash(customer_id) in known[Kind.NUMBER]
            or bool(card_number and known[Kind.CARD] and address_hash(card_number) in known[Kind.CARD])
            or bool(email and known[Kind.EMAIL] and address_hash(addresses.email_key(email)) in known[Kind.EMAIL])
            or bool(phone and known[Kind.PHONE] and address_hash(_phone_key(phone, country)) in known[Kind.PHONE])
        )

    rows = [row for row, *named in _fetched(cursor, _NEW_PEOPLE) if is_erased(*named)]
    cursor.execute(
        "INSERT INTO import_problem (row, key, reason) SELECT row, customer_id, %s FROM import_row WHERE row = ANY(%s)",
        [reason, rows],
    )


def _phone_key(phone: str, country: str) -> str:
    return addresses.phone_key(phone, country=country if len(country) == 2 else "")


def disown_cards(cursor: Any) -> None:
    """Let the receipts of erased people's cards, in ``import_receipt``, be nobody's."""
    _disown(cursor, Kind.CARD, _NEW_CARDS, "UPDATE import_receipt SET card_number = NULL WHERE card_number = ANY(%s)")


def disown_numbers(cursor: Any) -> None:
    """Let the receipts of erased people's numbers, in ``import_new``, be nobody's."""
    _disown(cursor, Kind.NUMBER, _NEW_NUMBERS, "UPDATE import_new SET customer = '' WHERE customer = ANY(%s)")


def _disown(cursor: Any, kind: str, query: str, update: str) -> None:
    if forgotten.anybody(kind):
        known = forgotten.hashes(kind)
        cursor.execute(update, [[value for (value,) in _fetched(cursor, query) if address_hash(value) in known]])


def _fetched(cursor: Any, query: str) -> Iterator[tuple[Any, ...]]:
    """A query's rows, batch by batch, so that memory is flat. The cursor is free again once they are all read."""
    cursor.execute(f"DECLARE import_people NO SCROLL CURSOR FOR {query}")
    while True:
        cursor.execute(f"FETCH {FETCHED} FROM import_people")
        if not (rows := cursor.fetchall()):
            break
        yield from rows
    cursor.execute("CLOSE import_people")
