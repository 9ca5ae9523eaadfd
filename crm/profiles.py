"""The profile of a customer: kept with every fact, and always what a full recount would say.

:func:`apply_receipts` adds what new receipts change; :func:`recount` counts again from the facts; :func:`differences`
compares the two. All three read the facts through the same statements below, so they cannot disagree about what counts.

Whoever changes a profile first locks it, in the order of customer ids, and reads the facts in a later statement. So two
tills, an import and a recount may work on the same customers at once: nothing is lost and none waits in a circle. The
transaction must be READ COMMITTED, as Django's are, and should apply all its receipts in one call.

A customer's points and receipts are their own rows; their consents are also what was said on records that went up in
theirs (``merged_into``), so a merge edits no statement. A record that was merged away has nothing of its own left to
count. The profile's lock is also what keeps a sale and a merge apart: :func:`apply_receipts`, :mod:`crm.holds`.

Categories count by where products are now. So a sale holds its products before the profiles, and whoever moves products
(:func:`hold_products`) holds them too before looking who bought them: whichever comes second sees what the first did.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from crm.models import Product
from crm.relinking import relink, unlink_erased

PROFILE_COLUMNS = (
    "receipts",
    "returns",
    "units",
    "spend_minor",
    "discount_minor",
    "first_sold_on",
    "last_sold_on",
    "points",
    "consent_email",
    "consent_sms",
    "consent_phone",
    "consent_post",
)
CATEGORY_COLUMNS = ("receipts", "units", "spend_minor", "first_sold_on", "last_sold_on")

# What a customer's receipts say. {receipts} and {lines} narrow it to some receipts or customers.
_TOTALS = """
    SELECT customer_id, receipts, returns, coalesce(units, 0) AS units, spend_minor, discount_minor,
           first_sold_on, last_sold_on
      FROM (SELECT customer_id,
                   count(*) FILTER (WHERE kind = 'sale') AS receipts,
                   count(*) FILTER (WHERE kind = 'return') AS returns,
                   sum(total_minor) AS spend_minor,
                   sum(discount_minor) AS discount_minor,
                   min(sold_on) FILTER (WHERE kind = 'sale') AS first_sold_on,
                   max(sold_on) FILTER (WHERE kind = 'sale') AS last_sold_on
              FROM crm_receipt
             WHERE customer_id IS NOT NULL AND {receipts}
             GROUP BY customer_id) AS receipt
      LEFT JOIN (SELECT customer_id, sum(quantity) AS units
                   FROM crm_receiptline
                  WHERE customer_id IS NOT NULL AND {lines}
                  GROUP BY customer_id) AS line USING (customer_id)
"""

# The same for each category and everything above it: a receipt counts once at every level. Sorting by customer and
# category is cheaper than first grouping by the receipt, which would keep a sum of its own for nearly every line.
# {leaves} narrows the tree: most of it has nothing to do with a single sale.
_CATEGORIES = """
    WITH RECURSIVE above AS (
        SELECT id AS leaf_id, id AS category_id FROM crm_category WHERE {leaves}
        UNION ALL
        SELECT above.leaf_id, category.parent_id
          FROM above
          JOIN crm_category AS category ON category.id = above.category_id
         WHERE category.parent_id IS NOT NULL
    )
    SELECT line.customer_id, above.category_id,
           count(DISTINCT line.receipt_id) FILTER (WHERE NOT line.is_return) AS receipts,
           sum(line.quantity) AS units,
           sum(line.total_minor)::bigint AS spend_minor,
           min(line.sold_on) FILTER (WHERE NOT line.is_return) AS first_sold_on,
           max(line.sold_on) FILTER (WHERE NOT line.is_return) AS last_sold_on
      FROM crm_receiptline AS line
      JOIN crm_product AS product ON product.id = line.product_id
      JOIN above ON above.leaf_id = product.category_id
     WHERE line.customer_id IS NOT NULL AND {lines}
     GROUP BY line.customer_id, above.category_id
"""

_LEAVES = """
    id IN (SELECT category_id FROM crm_product WHERE id IN (SELECT product_id FROM crm_receiptline WHERE {lines}))
"""

# The balance is the sum of the ledger; of the consents, each channel's newest statement counts, on whichever record of
# the person it was made. {statements} narrows the same to those records, for the index's sake.
_LEDGERS = """
    SELECT customer_id, coalesce(points, 0) AS points,
           coalesce(email, false) AS consent_email, coalesce(sms, false) AS consent_sms,
           coalesce(phone, false) AS consent_phone, coalesce(post, false) AS consent_post
      FROM (SELECT customer_id, sum(points) AS points FROM crm_loyaltyentry WHERE {customers} GROUP BY customer_id)
           AS loyalty
      FULL JOIN (SELECT customer_id,
                        bool_or(granted) FILTER (WHERE channel = 'email') AS email,
                        bool_or(granted) FILTER (WHERE channel = 'sms') AS sms,
                        bool_or(granted) FILTER (WHERE channel = 'phone') AS phone,
                        bool_or(granted) FILTER (WHERE channel = 'post') AS post
                   FROM (SELECT DISTINCT ON (customer_id, channel) customer_id, channel, granted
                           FROM (SELECT coalesce(merged.merged_into_id, said.customer_id) AS customer_id,
                                        said.channel, said.granted, said.stated_at, said.id
                                   FROM crm_consent AS said
                                   LEFT JOIN crm_customer AS merged
                                     ON merged.id = said.customer_id AND merged.merged_into_id IS NOT NULL
                                  WHERE said.purpose = 'marketing' AND {statements}) AS statement
                          WHERE {customers}
                          ORDER BY customer_id, channel, stated_at DESC, id DESC) AS newest
                  GROUP BY customer_id) AS consent USING (customer_id)
"""

_COUNTED_PROFILES = f"""
    SELECT customer.id AS customer_id, coalesce(total.receipts, 0) AS receipts, coalesce(total.returns, 0) AS returns,
           coalesce(total.units, 0) AS units, coalesce(total.spend_minor, 0) AS spend_minor,
           coalesce(total.discount_minor, 0) AS discount_minor, total.first_sold_on, total.last_sold_on,
           coalesce(ledger.points, 0) AS points,
           coalesce(ledger.consent_email, false) AS consent_email, coalesce(ledger.consent_sms, false) AS consent_sms,
           coalesce(ledger.consent_phone, false) AS consent_phone, coalesce(ledger.consent_post, false) AS consent_post
      FROM crm_customer AS customer
      LEFT JOIN ({_TOTALS}) AS total ON total.customer_id = customer.id
      LEFT JOIN ({_LEDGERS}) AS ledger ON ledger.customer_id = customer.id
     WHERE {{people}} AND customer.erased_at IS NULL
"""

# A product that changes its category between two readings of it would be counted in both, or in neither.
_HOLD_PRODUCTS = """
    SELECT FROM crm_product
     WHERE id IN (SELECT product_id FROM crm_receiptline WHERE {lines})
     ORDER BY id
       FOR SHARE
"""

_LOCK = "SELECT 1 FROM crm_customerprofile WHERE {customers} ORDER BY customer_id FOR NO KEY UPDATE"


def apply_receipts(*, receipt_ids: Sequence[int], along: Sequence[int] = ()) -> dict[int, int | None]:
    """Add the effect of these new receipts to the profiles of their customers and to their categories.

    Call it once, in the transaction that recorded the receipts, after their lines: the same receipt applied twice would
    count twice. Receipts without a customer change nothing. A customer who was merged away since the caller looked, or
    erased, gets none: their receipts go to the survivor, or to nobody. Returns where they went instead, mostly nothing.
    ``along`` names further customers whose profiles the caller is about to change: they are locked with the others.
    """
    chosen = "= ANY(%(receipts)s)"
    leaves = _LEAVES.format(lines=f"receipt_id {chosen}")
    went: dict[int, int | None] = {}
    while receipt_ids:
        try:
            _apply(chosen, {"receipts": list(receipt_ids)}, leaves, along, watch=True)
            break
        except _ClosedMeanwhile:  # its locks were let go with its savepoint, so those of the survivors come in order
            for closed, root in relink(receipt_ids):
                went |= {old: root for old, new in went.items() if new == closed} | {closed: root}
    return went


class _ClosedMeanwhile(Exception):
    """A customer of new receipts was merged or erased before their profile could be held."""


_IS_OPEN = """
    NOT EXISTS (SELECT FROM crm_customer AS closed
                 WHERE closed.id = new.customer_id AND (merged_into_id IS NOT NULL OR erased_at IS NOT NULL))
"""


def apply_selected_receipts(*, query: str) -> None:
    """Like :func:`apply_receipts`, for the receipts whose ids this SQL query gives (an import's temporary table).

    No merge runs beside an import (:mod:`crm.turns`); an erasure may.
    """
    _apply(f"IN ({query})", {}, "true", (), watch=False)


def _apply(chosen: str, params: dict[str, list[int]], leaves: str, along: Sequence[int], *, watch: bool) -> None:
    receipts, lines = f"id {chosen}", f"receipt_id {chosen}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT customer_id FROM crm_receipt WHERE customer_id IS NOT NULL AND {receipts}", params
        )
        customers = [customer_id for (customer_id,) in cursor.fetchall()]
        locked = {*customers, *along}
        if not locked:
            return
        cursor.execute(_HOLD_PRODUCTS.format(lines=lines), params)
        _lock(cursor, list(locked))
        # An erasure takes the profile with it: who waited for the lock meanwhile finds a row less.
        if cursor.rowcount < len(locked) and not watch:
            unlink_erased(cursor, chosen, params)
        cursor.execute(
            f"""
            UPDATE crm_customerprofile AS profile
               SET receipts = profile.receipts + new.receipts,
                   returns = profile.returns + new.returns,
                   units = profile.units + new.units,
                   spend_minor = profile.spend_minor + new.spend_minor,
                   discount_minor = profile.discount_minor + new.discount_minor,
                   first_sold_on = least(profile.first_sold_on, new.first_sold_on),
                   last_sold_on = greatest(profile.last_sold_on, new.last_sold_on)
              FROM ({_TOTALS.format(receipts=receipts, lines=lines)}) AS new
             WHERE profile.customer_id = new.customer_id AND {_IS_OPEN if watch else "true"}
            """,
            params,
        )
        if watch and cursor.rowcount < len(customers):
            raise _ClosedMeanwhile
        cursor.execute(
            f"""
            INSERT INTO crm_customercategory AS known (customer_id, category_id, {", ".join(CATEGORY_COLUMNS)})
            {_CATEGORIES.format(lines=lines, leaves=leaves)}
            ON CONFLICT (customer_id, category_id) DO UPDATE
               SET receipts = known.receipts + excluded.receipts,
                   units = known.units + excluded.units,
                   spend_minor = known.spend_minor + excluded.spend_minor,
                   first_sold_on = least(known.first_sold_on, excluded.first_sold_on),
                   last_sold_on = greatest(known.last_sold_on, excluded.last_sold_on)
            """,
            params,
        )


def lock_selected(*, query: str) -> None:
    """Like :func:`lock_profiles`, for the customers whose ids this SQL query gives."""
    _lock(connection.cursor(), query)


def recount_ledgers(*, customers: Sequence[int] | str) -> None:
    """Rebuild points and consents, which the ledgers alone decide, of these customers (or of a SQL query of ids)."""
    scope, params = _scope(customers)
    columns = ("points", "consent_email", "consent_sms", "consent_phone", "consent_post")
    assign = ", ".join(f"{column} = counted.{column}" for column in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor, customers)
        cursor.execute(
            f"""
            UPDATE crm_customerprofile AS profile SET {assign}
              FROM ({_LEDGERS.format(**scope)}) AS counted
             WHERE profile.customer_id = counted.customer_id
            """,
            params,
        )


def recount(*, customer_ids: Sequence[int] | None = None) -> None:
    """Rebuild the profiles and categories of these customers (of all, where none are named) from the facts."""
    if customer_ids is not None and not customer_ids:
        return
    scope, params = _scope(customer_ids)
    columns, counted = ", ".join(CATEGORY_COLUMNS), _columns("counted", CATEGORY_COLUMNS)
    known = f"crm_customercategory AS known WHERE {scope['known']}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '128MB'")
        _lock(cursor, customer_ids)
        cursor.execute(
            f"""
            UPDATE crm_customerprofile AS profile
               SET {", ".join(f"{column} = counted.{column}" for column in PROFILE_COLUMNS)}
              FROM ({_COUNTED_PROFILES.format(**scope)}) AS counted
             WHERE profile.customer_id = counted.customer_id
               AND ({_columns("profile", PROFILE_COLUMNS)}) IS DISTINCT FROM ({_columns("counted", PROFILE_COLUMNS)})
            """,
            params,
        )
        cursor.execute(
            f"""
            WITH differs AS MATERIALIZED (
                SELECT customer_id, category_id, counted.receipts IS NULL AS gone, {counted}
                  FROM ({_CATEGORIES.format(**scope)}) AS counted
                  FULL JOIN (SELECT * FROM {known}) AS known USING (customer_id, category_id)
                 WHERE ({_columns("known", CATEGORY_COLUMNS)}) IS DISTINCT FROM ({counted})
            ), gone AS (
                DELETE FROM crm_customercategory AS known USING differs AS old
                 WHERE gone AND (known.customer_id, known.category_id) = (old.customer_id, old.category_id)
            )
            INSERT INTO crm_customercategory AS known (customer_id, category_id, {columns})
            SELECT customer_id, category_id, {columns} FROM differs WHERE NOT gone
            ON CONFLICT (customer_id, category_id) DO UPDATE
               SET {", ".join(f"{column} = excluded.{column}" for column in CATEGORY_COLUMNS)}
            """,
            params,
        )


@dataclass(frozen=True)
class Difference:
    """A stored value that a recount does not confirm. ``category_id`` is empty for the profile itself."""

    customer_id: int
    category_id: int | None
    column: str
    stored: Any
    counted: Any


def differences(*, customer_ids: Sequence[int] | None = None) -> list[Difference]:
    """Where the stored profiles and categories differ from the facts; points and consents included.

    A customer without a profile row differs too, in the column ``profile``; so does a category row too many or too few,
    in the column ``category``.
    """
    scope, params = _scope(customer_ids)
    with transaction.atomic(), connection.cursor() as cursor:
        # Both sides of a comparison are read by one statement, or a sale in between would look like a difference.
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(
            f"""
            SELECT counted.customer_id, NULL::bigint, stored.customer_id IS NULL, false,
                   {_columns("stored", PROFILE_COLUMNS)}, {_columns("counted", PROFILE_COLUMNS)}
              FROM ({_COUNTED_PROFILES.format(**scope)}) AS counted
              LEFT JOIN crm_customerprofile AS stored ON stored.customer_id = counted.customer_id
             WHERE ({_columns("stored", PROFILE_COLUMNS)}) IS DISTINCT FROM ({_columns("counted", PROFILE_COLUMNS)})
             ORDER BY 1
            """,
            params,
        )
        found = list(_compared(cursor.fetchall(), PROFILE_COLUMNS, "profile"))
        cursor.execute(
            f"""
            SELECT customer_id, category_id, stored.receipts IS NULL, counted.receipts IS NULL,
                   {_columns("stored", CATEGORY_COLUMNS)}, {_columns("counted", CATEGORY_COLUMNS)}
              FROM (SELECT * FROM crm_customercategory AS known WHERE {scope["known"]}) AS stored
              FULL JOIN ({_CATEGORIES.format(**scope)}) AS counted USING (customer_id, category_id)
             WHERE ({_columns("stored", CATEGORY_COLUMNS)}) IS DISTINCT FROM ({_columns("counted", CATEGORY_COLUMNS)})
             ORDER BY 1, 2
            """,
            params,
        )
        return found + list(_compared(cursor.fetchall(), CATEGORY_COLUMNS, "category"))


def _compared(rows: list[tuple[Any, ...]], columns: tuple[str, ...], missing: str) -> Iterator[Difference]:
    for customer_id, category_id, not_stored, not_counted, *values in rows:
        if not_stored or not_counted:
            yield Difference(customer_id, category_id, missing, not not_stored, not not_counted)
            continue
        stored, counted = values[: len(columns)], values[len(columns) :]
        for column, was, should in zip(columns, stored, counted, strict=True):
            if was != should:
                yield Difference(customer_id, category_id, column, was, should)


def lock_profiles(*, customer_ids: Sequence[int]) -> None:
    """Hold these customers' profiles, made where missing, until the transaction ends; in the order that all keep."""
    if customer_ids:
        _lock(connection.cursor(), customer_ids)


def hold_products(*, products: QuerySet[Product]) -> None:
    """Let no sale of these products be counted until the transaction ends. Call it before they change categories."""
    list(products.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _scope(customer_ids: Sequence[int] | str | None) -> tuple[dict[str, str], dict[str, list[int]]]:
    """How each statement is narrowed to these customers (a query of ids may name them, and None means all)."""
    if customer_ids is None:
        names = ("receipts", "lines", "customers", "statements", "people", "known", "leaves")
        return dict.fromkeys(names, "true"), {}
    chosen = f"IN ({customer_ids})" if isinstance(customer_ids, str) else "= ANY(%(customers)s)"
    theirs = f"customer_id {chosen}"
    return {
        "receipts": theirs,
        "lines": theirs,
        "customers": theirs,
        "statements": f"said.customer_id IN (SELECT id FROM crm_customer WHERE id {chosen} AND merged_into_id IS NULL"
        f" UNION ALL SELECT id FROM crm_customer WHERE merged_into_id {chosen})",
        "people": f"customer.id {chosen}",
        "known": f"known.{theirs}",
        "leaves": _LEAVES.format(lines=theirs),
    }, {} if isinstance(customer_ids, str) else {"customers": list(customer_ids)}


def _columns(table: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{column}" for column in columns)


def _lock(cursor: Any, customer_ids: Sequence[int] | str | None) -> None:
    """Make sure that these customers have profiles, and hold them until the transaction ends."""
    scope, params = _scope(customer_ids)
    if customer_ids is None:  # to hold each by itself would write every row
        cursor.execute("LOCK TABLE crm_customerprofile IN EXCLUSIVE MODE")
    cursor.execute(
        f"""
        INSERT INTO crm_customerprofile (customer_id)
        SELECT customer.id
          FROM crm_customer AS customer
         WHERE {scope["people"]} AND customer.erased_at IS NULL
           AND NOT EXISTS (SELECT FROM crm_customerprofile AS profile WHERE profile.customer_id = customer.id)
         ORDER BY customer.id
            ON CONFLICT DO NOTHING
        """,
        params,
    )
    if customer_ids is not None:
        cursor.execute(_LOCK.format(**scope), params)
