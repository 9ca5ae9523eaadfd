"""All live segments as one statement that the database has planned already.

Reading a hundred rules, compiling and planning them takes far longer than answering them for one customer. So the
answers of all live segments are columns of one query over the customers' rows, compared with the members and written
in the same statement; it is compiled once in a process and planned once on a connection, with the customers as its
parameter, and anew as soon as anything is another: a rule, what the names in the rules mean, the shop's day.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from django.db import OperationalError, connection
from django.db.models import Case, When
from psycopg import sql

from crm.attributes import Filter
from crm.days import shop_day
from segments.compile import live_customers, predicate, scope_for
from segments.expressions import AnyOf
from segments.models import Segment
from segments.reading import Read, in_order, keep_names, read_rules
from segments.references import Names

FOLLOWING = (Segment.Kind.DYNAMIC, Segment.Kind.PERSONA)
"""The kinds of segments that follow a rule."""
LIFE = 60.0
"""Seconds after which the rules are compiled anew, even if nothing seems to have changed."""
MOST = 400
"""Segments in one statement: a query has room for so many columns."""

_CUSTOMERS = [-(2**62)]
"""Stands for the customers until the statement is prepared; no customer has this id."""

# Whatever decides what the statements must say, beside the day: hashes, which are compared and never read.
_STATE = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
       segment.as_of, segment.opened, segment.ids, segment.rules,
       (SELECT sum(hashtextextended(path, id)) FROM crm_category),
       (SELECT sum(jsonb_hash_extended(to_jsonb(store) - 'receipts_numbered', 0)) FROM crm_store AS store),
       (SELECT sum(jsonb_hash_extended(to_jsonb(shop), 0)) FROM crm_shop AS shop),
       (SELECT sum(hashtextextended(sku || ' ' || name, id)) FROM crm_product
         WHERE sku = ANY($3) OR id = ANY($4)),
       (SELECT sum(hashtextextended(name || is_archived || kind, id)) FROM segments_segment),
       (SELECT sum(jsonb_hash_extended(to_jsonb(custom), 0)) FROM crm_customfield AS custom),
       (SELECT sum(jsonb_hash_extended(to_jsonb(question), 0)) FROM crm_question AS question),
       (SELECT max(id) FROM segments_cutpoints), (SELECT max(id) FROM segments_valuemodel)
  FROM (SELECT CASE WHEN count(*) = count(refreshed_at) THEN min(refreshed_at) END AS as_of,
               array_agg(DISTINCT opened_on) AS opened, array_agg(id ORDER BY id) AS ids,
               sum(jsonb_hash_extended(rule, id) # jsonb_hash_extended(names, rule_version)) AS rules
          FROM segments_segment
         WHERE id = ANY($1) AND NOT is_archived AND kind = ANY($2)) AS segment
"""

_STATE_NAME = "segments_state"

_FOLLOW = """
WITH answer (customer_id, met) AS MATERIALIZED (
        SELECT asked.customer_id, ARRAY[{answers}] FROM ({query}) AS asked (customer_id, {answers})
     ),
     wanted (segment_id, rule_version, customer_id) AS MATERIALIZED (
        SELECT live.id, live.rule_version, answer.customer_id
          FROM answer, unnest('{ids}'::bigint[], '{versions}'::int[], answer.met) AS live (id, rule_version, met)
         WHERE live.met
     ),
     member AS MATERIALIZED (
        SELECT segment_id, customer_id FROM segments_membership
         WHERE customer_id = ANY($1) AND segment_id = ANY('{ids}'::bigint[])
     ),
     differs AS MATERIALIZED (
        SELECT coalesce(wanted.segment_id, member.segment_id) AS segment_id,
               coalesce(wanted.customer_id, member.customer_id) AS customer_id,
               member.customer_id IS NULL AS entered
          FROM wanted
          FULL JOIN member ON member.segment_id = wanted.segment_id AND member.customer_id = wanted.customer_id
         WHERE wanted.customer_id IS NULL OR member.customer_id IS NULL
     ),
     moved AS MATERIALIZED (
        SELECT segment_id, customer_id, entered, live.rule_version
          FROM differs JOIN unnest('{ids}'::bigint[], '{versions}'::int[]) AS live (id, rule_version)
            ON live.id = segment_id
     ),
     gone AS (
        DELETE FROM segments_membership AS known USING moved
         WHERE NOT moved.entered AND known.segment_id = moved.segment_id AND known.customer_id = moved.customer_id
     ),
     come AS (
        INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
        SELECT segment_id, customer_id, $2, rule_version FROM moved WHERE entered
     ),
     noted AS (
        INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
        SELECT segment_id, customer_id, entered, $2, rule_version FROM moved
     )
SELECT segment_id, count(*) FILTER (WHERE entered), count(*) FILTER (WHERE NOT entered)
  FROM moved GROUP BY segment_id
"""

Moves = list[tuple[int, int, int]]
"""(segment, how many came, how many went)"""


@dataclass
class Step:
    """Segments that ask for none of one another, and the statement that brings them up to date."""

    segment_ids: Sequence[int]
    statement: str

    @cached_property
    def name(self) -> str:
        return "segments_" + hashlib.sha256(self.statement.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Standing:
    """The steps, what they were made from, and the segments that they leave out because they could not be compiled."""

    day: date
    steps: Sequence[Step]
    broken: Sequence[tuple[int, Exception]] = ()
    words: Sequence[str] = ()
    products: Sequence[int] = ()
    state: Sequence[Any] = ()
    made_at: float = field(default_factory=time.monotonic)

    @property
    def segment_ids(self) -> list[int]:
        return [segment_id for step in self.steps for segment_id in step.segment_ids]

    def fits(self, state: Sequence[Any], day: date) -> bool:
        return self.state == state and self.day == day and time.monotonic() < self.made_at + LIFE

    def apply(self, cursor: Any, ids: Sequence[int], now: datetime) -> Moves:
        """Write who of these customers came and went."""
        moves: Moves = []
        self._prepare(cursor)
        for step in self.steps:
            cursor.execute(f"EXECUTE {step.name} (%s, %s)", [list(ids), now])
            moves += cursor.fetchall()
        return moves

    def _prepare(self, cursor: Any) -> None:
        """Make this connection know the statements, and forget those that it knew before."""
        known = _prepared.setdefault(connection.connection, set())
        wanted = {step.name: step for step in self.steps}
        for name in known - wanted.keys() - {_STATE_NAME}:
            cursor.execute(f"DEALLOCATE {name}")
            known.discard(name)
        for name in wanted.keys() - known:
            cursor.execute(f"PREPARE {name} (bigint[], timestamptz) AS {wanted[name].statement}")
            known.add(name)


_prepared: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()
_NOTHING = Standing(day=date.min, steps=())
_standing = _NOTHING


def standing(
    cursor: Any, *, held: Sequence[int], moment: Callable[[Sequence[date | None]], datetime]
) -> tuple[Standing, datetime | None]:
    """The statements for these segments, which the caller holds, as things are; and as of when the oldest of them is.

    ``moment`` tells for which one to evaluate, of the days that the segments were opened for. Call it in a transaction.
    """
    global _standing
    known = _standing
    while True:
        as_of, opened, *state = _state(cursor, held, known)
        at = moment(opened or [])
        if known.fits(state, shop_day(at)):
            return known, as_of
        # What it is made from is read after the state that it shall fit: what changes meanwhile is seen the next time.
        known = _standing = replace(made(cursor, held=held, at=at), state=state)


def forget() -> None:
    """Start over: after the database has refused a statement, say."""
    global _standing
    _standing = _NOTHING


def _state(cursor: Any, held: Sequence[int], known: Standing) -> Sequence[Any]:
    prepared = _prepared.setdefault(connection.connection, set())
    if _STATE_NAME not in prepared:
        cursor.execute(f"PREPARE {_STATE_NAME} (bigint[], text[], text[], bigint[]) AS {_STATE}")
        prepared.add(_STATE_NAME)
    asked = [list(values) for values in (held, FOLLOWING, known.words, known.products)]
    cursor.execute(f"EXECUTE {_STATE_NAME} (%s, %s, %s, %s)", asked)
    _plans, _jit, *state = cursor.fetchone()
    return state


def made(cursor: Any, *, held: Sequence[int], at: datetime) -> Standing:
    """The statements for those of these segments that can be compiled."""
    broken: list[tuple[int, Exception]] = []

    def failed(segment_id: int, error: Exception) -> None:
        broken.append((segment_id, error))

    segments = Segment.objects.filter(pk__in=held, is_archived=False, kind__in=FOLLOWING).order_by("pk")
    rules, names = read_rules(list(segments), failed=failed)
    keep_names([one for one in rules if one.renamed])
    steps = [
        _step(part, names, at, cursor, failed)
        for group in in_order(rules, failed=failed)
        for part in (group[start : start + MOST] for start in range(0, len(group), MOST))
    ]
    products = {word: meant for (kind, word), meant in names.found.items() if kind == Filter.PRODUCT}
    return Standing(
        day=shop_day(at),
        steps=[step for step in steps if step.segment_ids],
        broken=broken,
        words=sorted(products),
        products=sorted(one.id for meant in products.values() for one in meant),
    )


def _step(
    rules: Sequence[Read], names: Names, at: datetime, cursor: Any, failed: Callable[[int, Exception], None]
) -> Step:
    asked: list[Segment] = []
    columns: dict[str, Case] = {}
    for rule in rules:
        try:
            scope = scope_for(rule.node, now=at, names=names)
            met = {f"met_{rule.segment.pk}": Case(When(predicate(rule.node, scope), then=True), default=False)}
            _written(met, scope.today, cursor)
        except OperationalError:
            raise
        except Exception as error:  # whatever is wrong with one segment must not stop the others
            failed(rule.segment.pk, error)
        else:
            asked.append(rule.segment)
            columns |= met
    statement = _FOLLOW.format(
        query=_written(columns, shop_day(at), cursor),
        answers=", ".join(columns),
        ids=_array(segment.pk for segment in asked),
        versions=_array(segment.rule_version for segment in asked),
    )
    return Step([segment.pk for segment in asked], statement)


def _written(columns: Mapping[str, Case], day: date, cursor: Any) -> str:
    """The query of these answers, with ``$1`` for the customers and its other values written out."""
    asked = (
        live_customers(today=day)
        .filter(AnyOf("pk", _CUSTOMERS))
        .order_by()
        .annotate(**columns)
        .values_list("pk", *columns)
    )
    query, params = asked.query.sql_with_params()
    return query % tuple(_literal(param, cursor) for param in params)


def _literal(value: Any, cursor: Any) -> str:
    if value == _CUSTOMERS:
        return "$1"
    if value == _CUSTOMERS[0]:
        raise ValueError("The customers of a standing rule are asked for as one array (segments.expressions.AnyOf).")
    return sql.Literal(value).as_string(cursor.connection)


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
