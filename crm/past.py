"""The records as they stood at the end of a past day, for analyses that must not see what came later.

Inside :func:`as_of` the tables of facts hold, for some customers, only what had happened by then, and their profiles
are counted anew from that. It works for whatever reads these tables, so that an attribute needs no second source for
the past: for the length of a transaction that is undone at its end, temporary tables of the same names stand before
ours (PostgreSQL looks there first). What is simply true of a customer (a city, a birth date) is as it is now.

An app that keeps facts of customers says once how each table is cut off, with :func:`register`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from crm import profiles
from crm.attributes import Scope
from crm.models import (
    Answer,
    Consent,
    Customer,
    CustomerCategory,
    CustomerProfile,
    Invoice,
    LoyaltyEntry,
    Receipt,
    ReceiptLine,
    Review,
    TierAward,
    WebVisit,
    WishlistItem,
)

OF_PEOPLE = "customer_id IN (SELECT id FROM crm_customer)"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a table of facts is cut off: which rows stay, by ``%(day)s`` or ``%(moment)s``, and what they lacked then.

    ``unsaid`` gives columns that were still empty then: column -> the condition under which it was.
    """

    model: type[Model]
    kept: str
    unsaid: tuple[tuple[str, str], ...] = ()


_cuts: dict[str, Cut] = {}


def register(model: type[Model], *, kept: str, unsaid: tuple[tuple[str, str], ...] = ()) -> None:
    """Say which rows of a table were there at ``%(moment)s``, the end of ``%(day)s``; tables in the order of need."""
    _cuts[model._meta.label] = Cut(model=model, kept=kept, unsaid=unsaid)


def registered() -> set[str]:
    """Labels of the models whose past is known; a profile's and a category row's is counted."""
    return {*_cuts, CustomerProfile._meta.label, CustomerCategory._meta.label}


def end_of(day: date) -> datetime:
    """The shop's last moment of the day."""
    after = datetime.combine(day + timedelta(days=1), time(), timezone.get_default_timezone())
    return after - timedelta(microseconds=1)


@contextmanager
def as_of(*, day: date, customer_ids: Sequence[int]) -> Iterator[Scope]:
    """Read only what was known of these customers at the end of ``day``. Whatever is written inside is undone.

    The scope that it gives has no names yet; whoever reads a rule makes one for it at the same moment.
    """
    with transaction.atomic():
        _stand_before(day, customer_ids)
        try:
            yield Scope(now=end_of(day), today=day)
        finally:
            transaction.set_rollback(True)


def _stand_before(day: date, customer_ids: Sequence[int]) -> None:
    """Put the temporary tables before ours."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = connection.ops.quote_name(cursor.fetchone()[0])
        people = Customer._meta.db_table
        # Without the indexes of the search for names, which would take most of the time.
        _copy(cursor, schema, people, "id = ANY(%(ids)s) OR merged_into_id = ANY(%(ids)s)", {"ids": list(customer_ids)})
        cursor.execute(f"ALTER TABLE pg_temp.{people} ADD PRIMARY KEY (id)")
        known = {"day": day, "moment": end_of(day)}
        for cut in _cuts.values():
            table = cut.model._meta.db_table
            _copy(cursor, schema, table, cut.kept, known, indexed=True)
            for column, condition in cut.unsaid:
                cursor.execute(f"UPDATE pg_temp.{table} SET {column} = NULL WHERE {condition}", known)
            cursor.execute(f"ANALYZE pg_temp.{table}")
        for model in (CustomerProfile, CustomerCategory):
            _copy(cursor, schema, model._meta.db_table, "false", {}, indexed=True)
        cursor.execute(f"ANALYZE pg_temp.{people}")
    profiles.recount()
    with connection.cursor() as cursor:
        for model in (CustomerProfile, CustomerCategory):
            cursor.execute(f"ANALYZE pg_temp.{model._meta.db_table}")


def _copy(cursor: Any, schema: str, table: str, kept: str, params: Mapping[str, Any], *, indexed: bool = False) -> None:
    like = "INCLUDING DEFAULTS INCLUDING IDENTITY" + (" INCLUDING INDEXES" if indexed else "")
    cursor.execute(f"CREATE TEMPORARY TABLE {table} (LIKE {schema}.{table} {like}) ON COMMIT DROP")
    cursor.execute(f"INSERT INTO pg_temp.{table} SELECT * FROM {schema}.{table} WHERE {kept}", params)


def register_all() -> None:
    """The records' own facts."""
    by_day = f"{OF_PEOPLE} AND {{}} <= %(day)s"
    by_moment = f"{OF_PEOPLE} AND {{}} <= %(moment)s"
    register(Receipt, kept=by_day.format("sold_on"))
    register(ReceiptLine, kept=by_day.format("sold_on"))
    register(WebVisit, kept=by_day.format("visited_on"))
    register(Review, kept=by_moment.format("written_at"))
    register(Answer, kept=by_moment.format("answered_at"))
    register(Consent, kept=by_moment.format("stated_at"))
    register(LoyaltyEntry, kept=by_moment.format("recorded_at"))
    register(TierAward, kept=by_day.format("reached_on"))
    register(Invoice, kept=by_day.format("issued_on"), unsaid=(("paid_on", "paid_on > %(day)s"),))
    still_there = (("removed_at", "removed_at > %(moment)s"),)
    register(WishlistItem, kept=by_moment.format("added_at"), unsaid=still_there)
