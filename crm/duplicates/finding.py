"""Looking for pairs of records that may be one person: whoever is new or changed against everybody, or all against all.

:class:`crm.models.ComparedCustomer` keeps how each record looked when it was last compared, and its keys. So what has
changed is found by looking, whichever way it changed: at the till, by an import, by a merge undone. All is one
transaction, and done again it finds nothing new.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.db import connection, transaction

from crm.duplicates import learning
from crm.duplicates.comparing import FEWEST, Comparison, compare, score
from crm.duplicates.keys import keys_of
from crm.duplicates.learning import Logs
from crm.duplicates.records import COLUMNS, LOOK, Record, make, read, words

LIKELY = 0.5
"""Pairs are kept from this probability on."""

MOST_BEARERS = 50
"""A key that more records bear tells nobody apart, and its pairs would be too many: a shop's own phone, say."""
MOST_BEARERS_OF_WEAK = 12
"""The same for keys of names alone."""

_TABLES = "duplicate_changed, duplicate_key, duplicate_bearer, duplicate_pair, duplicate_likely"

FEW = 2_000
"""Up to so many changed records are looked up by their keys; for more it is cheaper to read everybody's."""
AT_ONCE = 5_000

Told = Callable[[int, int], None]
Row = tuple[int, int, str]

_PAIRS_IN_ORDER = "SELECT first, second, looks FROM duplicate_pair ORDER BY first, second"


@dataclass(frozen=True)
class Found:
    """How many records were new or changed, pairs compared, and pairs likely enough to be shown."""

    looked_at: int = 0
    compared: int = 0
    likely: int = 0


_LIVE = "customer.merged_into_id IS NULL AND customer.erased_at IS NULL"

_FORGET_CLOSED = f"""
    DELETE FROM crm_comparedcustomer AS known USING crm_customer AS customer
     WHERE customer.id = known.customer_id AND NOT ({_LIVE})
"""

_CHANGED = f"""
    SELECT {LOOK}, customer.id, {", ".join(f"customer.{name}" for name in COLUMNS)}
      FROM crm_customer AS customer
      LEFT JOIN crm_comparedcustomer AS known ON known.customer_id = customer.id
     WHERE {_LIVE} AND ({{everybody}} OR known.look IS DISTINCT FROM {LOOK})
"""

_KEEP_KEYS = """
    INSERT INTO crm_comparedcustomer AS known (customer_id, look, keys)
    SELECT id, look, keys FROM duplicate_changed ORDER BY id
        ON CONFLICT (customer_id) DO UPDATE SET look = excluded.look, keys = excluded.keys
"""

_SMALL = f"count(*) BETWEEN 2 AND CASE key & 1 WHEN 1 THEN {MOST_BEARERS_OF_WEAK} ELSE {MOST_BEARERS} END"

_BEARERS_OF_ALL = "SELECT unnest(keys) AS key, customer_id FROM crm_comparedcustomer"

# A key with many bearers is read no further than is needed to know that.
_BEARERS_OF_FEW = f"""
    SELECT wanted.key, bearer.customer_id
      FROM (SELECT DISTINCT unnest(keys) AS key FROM duplicate_changed) AS wanted
     CROSS JOIN LATERAL (SELECT customer_id FROM crm_comparedcustomer
                          WHERE keys @> ARRAY[wanted.key] LIMIT {MOST_BEARERS + 1}) AS bearer
"""

# Tables, so that the planner knows how many they are: taken for few, all would be joined with all.
_BEARERS = (
    "CREATE TEMP TABLE duplicate_key (key, customer_id) ON COMMIT DROP AS {bearers}",
    "ANALYZE duplicate_key",
    f"""
    CREATE TEMP TABLE duplicate_bearer ON COMMIT DROP AS
    SELECT key, customer_id FROM duplicate_key
     WHERE key IN (SELECT key FROM duplicate_key GROUP BY key HAVING {_SMALL})
    """,
    "ANALYZE duplicate_bearer",
)

# Left out: pairs that somebody has parted and that look as they did then; also where one went up in another since.
_PAIRS = """
    CREATE TEMP TABLE duplicate_pair ON COMMIT DROP AS
    WITH pair AS (
        SELECT DISTINCT one.customer_id AS first, other.customer_id AS second
          FROM duplicate_bearer AS one
          JOIN duplicate_bearer AS other USING (key)
         WHERE one.customer_id < other.customer_id
    ), parted AS (
        SELECT least(coalesce(one.merged_into_id, one.id), coalesce(other.merged_into_id, other.id)) AS first,
               greatest(coalesce(one.merged_into_id, one.id), coalesce(other.merged_into_id, other.id)) AS second
          FROM crm_duplicatepair AS known
          JOIN crm_customer AS one ON one.id = known.first_id
          JOIN crm_customer AS other ON other.id = known.second_id
         WHERE known.status = 'different'
           AND (one.merged_into_id IS NOT NULL OR other.merged_into_id IS NOT NULL)
    )
    SELECT pair.first, pair.second, one.look || ' ' || other.look AS looks
      FROM pair
      JOIN crm_comparedcustomer AS one ON one.customer_id = pair.first
      JOIN crm_comparedcustomer AS other ON other.customer_id = pair.second
     WHERE (pair.first IN (SELECT id FROM duplicate_changed) OR pair.second IN (SELECT id FROM duplicate_changed))
       AND NOT EXISTS (SELECT FROM crm_duplicatepair AS known
                        WHERE known.first_id = pair.first AND known.second_id = pair.second
                          AND known.status = 'different' AND known.looks = one.look || ' ' || other.look)
       AND NOT EXISTS (SELECT FROM parted WHERE parted.first = pair.first AND parted.second = pair.second)
"""

# What was parted comes back only if the two look more alike than they did.
_KEEP_PAIRS = """
    INSERT INTO crm_duplicatepair AS known (first_id, second_id, score, evidence, looks, status, found_at)
    SELECT first, second, score, evidence, looks, 'open', %(now)s FROM duplicate_likely ORDER BY first, second
        ON CONFLICT (first_id, second_id) DO UPDATE
       SET score = excluded.score, evidence = excluded.evidence, looks = excluded.looks,
           status = CASE WHEN known.status = 'different' AND excluded.score > known.score
                         THEN 'open' ELSE known.status END,
           found_at = CASE WHEN known.status = 'different' AND excluded.score > known.score
                           THEN excluded.found_at ELSE known.found_at END
"""

_DROP_UNLIKELY = """
    DELETE FROM crm_duplicatepair AS known
     WHERE known.status = 'open'
       AND (known.first_id IN (SELECT id FROM duplicate_changed)
            OR known.second_id IN (SELECT id FROM duplicate_changed))
       AND NOT EXISTS (SELECT FROM duplicate_likely AS likely
                        WHERE likely.first = known.first_id AND likely.second = known.second_id)
"""


def find_duplicates(*, now: datetime, everybody: bool = False, told: Told | None = None) -> Found:
    """Compare records that are new or look otherwise than when they were last compared; ``everybody`` compares all.

    Two runs take turns. ``told`` hears how many pairs of how many have been compared.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('regulars duplicates'))")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(f"DROP TABLE IF EXISTS {_TABLES}")
        cursor.execute(_FORGET_CLOSED)
        changed = _look(cursor, everybody)
        if not changed:
            return Found()
        cursor.execute("ANALYZE crm_comparedcustomer")
        bearers = _BEARERS_OF_ALL if everybody or changed > FEW else _BEARERS_OF_FEW
        for statement in (*_BEARERS, _PAIRS):
            cursor.execute(statement.format(bearers=bearers))
        cursor.execute("SELECT count(*) FROM duplicate_pair")
        pairs = cursor.fetchone()[0]
        likely = _compare(cursor, pairs, changed, told or (lambda done, total: None))
        cursor.execute(_DROP_UNLIKELY)
        cursor.execute(_KEEP_PAIRS, {"now": now})
    return Found(changed, pairs, likely)


def _look(cursor: Any, everybody: bool) -> int:
    """Find whoever is new or changed, and keep their keys; how many they are."""
    cursor.execute("CREATE TEMP TABLE duplicate_changed (id bigint, look uuid, keys bigint[]) ON COMMIT DROP")
    count = 0
    for rows in _batches(cursor, _CHANGED.format(everybody=everybody), "duplicate_look"):
        count += len(rows)
        with cursor.copy("COPY duplicate_changed FROM STDIN") as copy:
            for look, *row in rows:
                copy.write_row((row[0], look, keys_of(make(tuple(row)))))
    cursor.execute("CREATE INDEX ON duplicate_changed (id)")
    cursor.execute("ANALYZE duplicate_changed")
    cursor.execute(_KEEP_KEYS)
    return count


def _compare(cursor: Any, pairs: int, looked_at: int, told: Told) -> int:
    """Weigh the pairs twice: to learn what is to be expected, and to keep the likely ones. How many those are."""
    cursor.execute(
        "CREATE TEMP TABLE duplicate_likely (first bigint, second bigint, looks text, score float8, evidence jsonb) "
        "ON COMMIT DROP"
    )
    cursor.execute("SELECT count(*) FROM crm_comparedcustomer")
    customers = cursor.fetchone()[0]
    shares = _Shares(customers)
    logs: list[Logs] = []
    for rows in _batches(cursor, _PAIRS_IN_ORDER, "duplicate_weigh"):
        logs += [found.logs for _row, found in _weighed(rows, shares)]
        told(len(logs), pairs)
    expected = learning.learn(logs, looked_at=looked_at, customers=customers)
    priors = expected.logs(customers)
    wanted = {place for place, each in enumerate(logs) if score(each, priors) >= LIKELY}
    place = 0
    for rows in _batches(cursor, _PAIRS_IN_ORDER, "duplicate_keep"):
        likely = [row for offset, row in enumerate(rows) if place + offset in wanted]
        place += len(rows)
        found_likely = list(_weighed(likely, shares))
        with cursor.copy("COPY duplicate_likely FROM STDIN") as copy:
            for (first, second, looks), found in found_likely:
                evidence = json.dumps(found.evidence(expected, customers))
                copy.write_row((first, second, looks, found.score(expected, customers), evidence))
    cursor.execute("ANALYZE duplicate_likely")
    return len(wanted)


def _weighed(rows: Sequence[Row], shares: "_Shares") -> Iterator[tuple[Row, Comparison]]:
    records = read(set(chain.from_iterable(row[:2] for row in rows)))
    shares.learn([(records[first], records[second]) for first, second, _looks in rows])
    for row in rows:
        yield row, compare(records[row[0]], records[row[1]], shares=shares.known)


def _batches(cursor: Any, query: str, name: str) -> Iterator[list[tuple[Any, ...]]]:
    cursor.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {query}")
    while True:
        cursor.execute(f"FETCH {AT_ONCE} FROM {name}")
        if not (rows := cursor.fetchall()):
            break
        yield rows
    cursor.execute(f"CLOSE {name}")


# A name's words are counted where names are looked up; "anna!" is the first key that does not begin with "anna ".
_COUNTS = {
    "name": "crm_customername WHERE key >= value AND key < value || '!'",
    "email": "crm_customer WHERE email_key = value AND email_key <> ''",
    "phone": "crm_customer WHERE phone_key = value AND phone_key <> ''",
    "postcode": "crm_customer WHERE postcode_key = value AND postcode_key <> ''",
}
_COUNTED_UP_TO = 20_000


class _Shares:
    """How common a value is, as far as two records share it; each is counted once."""

    def __init__(self, customers: int) -> None:
        self.known: dict[tuple[str, str], float] = {}
        self._customers = max(customers, FEWEST)
        self._counted: dict[tuple[str, str], float] = {}

    def learn(self, pairs: Sequence[tuple[Record, Record]]) -> None:
        """Count what these pairs have in common."""
        shared = {each for one, other in pairs for each in _shared(one, other)} - self.known.keys()
        wanted: dict[str, set[str]] = {}
        for field, value in shared:
            kind = "name" if field.endswith("name") else field
            wanted.setdefault(kind, set()).update(value.split() if kind == "name" else [value])
        for kind, values in wanted.items():
            unknown = {value for value in values if (kind, value) not in self._counted}
            if kind == "city":
                self._count_cities(unknown)
            else:
                self._count(kind, unknown)
        for field, value in shared:
            if field.endswith("name"):  # of several words the rarest tells
                self.known[field, value] = min(self._counted["name", word] for word in value.split())
            else:
                self.known[field, value] = self._counted[field, value]

    def _count(self, kind: str, values: set[str]) -> None:
        with connection.cursor() as cursor:
            # Each value is looked up by its index; the planner knows none of them, and might read the table for each.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                f"SELECT value, (SELECT count(*) FROM (SELECT FROM {_COUNTS[kind]} LIMIT {_COUNTED_UP_TO}) AS bearing) "
                "FROM unnest(%s::text[]) AS wanted (value)",
                [sorted(values)],
            )
            for value, count in cursor.fetchall():
                self._counted[kind, value] = max(count - 1, 1) / self._customers
            cursor.execute("SET LOCAL enable_seqscan = on")

    def _count_cities(self, values: set[str]) -> None:
        """Cities have no index, but are few: once all of them."""
        if not values:
            return
        counts: dict[str, int] = {}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT city, count(*) FROM crm_customer AS customer WHERE {_LIVE} GROUP BY city")
            for city, count in cursor.fetchall():
                folded = " ".join(words(city))
                counts[folded] = counts.get(folded, 0) + count
        for value in values | counts.keys():
            self._counted["city", value] = max(counts.get(value, 0) - 1, 1) / self._customers


def _shared(one: Record, other: Record) -> Iterator[tuple[str, str]]:
    names = {" ".join(words) for words in (one.first, one.last) if words}
    names &= {" ".join(words) for words in (other.first, other.last) if words}
    for name in names:
        yield "first_name", name
        yield "last_name", name
    for field in ("email", "phone", "postcode", "city"):
        if (value := getattr(one, field)) and value == getattr(other, field):
            yield field, value
