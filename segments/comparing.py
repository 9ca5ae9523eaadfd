"""Comparing a rule's answer with the members of its segment, for everybody, and writing how they differ."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

# In a table of its own rather than in one statement that also writes: what writes is read by one process alone, and
# reading is nearly all of the work.
_COMPARE = """
CREATE TEMPORARY TABLE segments_moving AS
SELECT wanted.id AS comes, member.customer_id AS goes
  FROM ({wanted}) AS wanted (id)
  FULL JOIN (SELECT customer_id FROM segments_membership WHERE segment_id = %s) AS member
    ON member.customer_id = wanted.id
 WHERE wanted.id IS NULL OR member.customer_id IS NULL
"""
_LET_GO = """
DELETE FROM segments_membership AS member USING segments_moving
 WHERE member.segment_id = %(segment)s AND member.customer_id = goes
"""
_LET_IN = """
INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
SELECT %(segment)s, comes, %(now)s, %(version)s FROM segments_moving WHERE comes IS NOT NULL ORDER BY comes
"""
_NOTE = """
INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
SELECT %(segment)s, coalesce(comes, goes), comes IS NOT NULL, %(now)s, %(version)s
  FROM segments_moving ORDER BY coalesce(comes, goes)
"""


def write_moves(*, wanted: "QuerySet[Any, Any]", segment_id: int, version: int, now: datetime) -> tuple[int, int, int]:
    """Make these customers (a query of ids) the segment's members, and note who came and went.

    Returns how many members there are, came and went. The caller holds the segment, in a transaction.
    """
    query, params = wanted.query.sql_with_params()
    moves: dict[str, Any] = {"segment": segment_id, "now": now, "version": version}
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)")
        cursor.execute(_COMPARE.format(wanted=query), [*params, segment_id])
        cursor.execute(_LET_GO, moves)
        went = cursor.rowcount
        cursor.execute(_LET_IN, moves)
        came = cursor.rowcount
        if came or went:
            cursor.execute(_NOTE, moves)
        cursor.execute("DROP TABLE segments_moving")
        cursor.execute("SELECT count(*) FROM segments_membership WHERE segment_id = %s", [segment_id])
        (members,) = cursor.fetchone()
    return members, came, went
