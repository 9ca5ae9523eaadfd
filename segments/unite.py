"""Groups that follow no rule, when two records of one person become one, or two again.

Who was picked by hand, or frozen in, and then went up in another record is replaced by that one; undoing the merge puts
them back. Segments that follow a rule need none of this: a merged record meets no rule.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from crm.marks import mark_customers

_ASK = """
SELECT EXISTS (SELECT FROM crm_customer AS customer
                 JOIN segments_membership AS member ON member.customer_id = customer.id
                WHERE customer.id = ANY(%(ids)s) AND customer.merged_into_id IS NOT NULL),
       EXISTS (SELECT FROM crm_merge WHERE merged_id = ANY(%(ids)s) AND undone_at IS NOT NULL)
"""

_COUNTED = """
counted AS (
    SELECT segment_id, count(*) FILTER (WHERE entered) - count(*) FILTER (WHERE NOT entered) AS more
      FROM moved GROUP BY segment_id
),
noted AS (
    INSERT INTO segments_membershipevent (segment_id, customer_id, entered, happened_at, rule_version)
    SELECT segment_id, customer_id, entered, %(now)s, rule_version FROM moved
),
numbers AS (
    UPDATE segments_segment AS segment SET members_count = greatest(segment.members_count + counted.more, 0)
      FROM counted WHERE segment.id = counted.segment_id
)
SELECT DISTINCT customer_id FROM moved
"""

_UNITE = f"""
WITH gone AS (
    DELETE FROM segments_membership AS member
     USING crm_customer AS customer, segments_segment AS segment
     WHERE member.customer_id = ANY(%(ids)s) AND customer.id = member.customer_id
       AND customer.merged_into_id IS NOT NULL
       AND segment.id = member.segment_id AND segment.kind IN ('picked', 'frozen')
    RETURNING member.segment_id, member.customer_id, member.rule_version, customer.merged_into_id AS root
),
come AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT DISTINCT ON (gone.segment_id, gone.root) gone.segment_id, gone.root, %(now)s::timestamptz, gone.rule_version
      FROM gone JOIN crm_customer AS survivor ON survivor.id = gone.root
     WHERE survivor.erased_at IS NULL AND NOT survivor.no_profiling
     ORDER BY gone.segment_id, gone.root
        ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id, rule_version
),
moved AS (
    SELECT segment_id, customer_id, rule_version, true AS entered FROM come
     UNION ALL
    SELECT segment_id, customer_id, rule_version, false FROM gone
),
{_COUNTED}"""  # noqa: S608 - all of it is ours

# Who left while the merge stood had their last event then, and no other since; the survivor who came in at that very
# moment came in their place.
_PART = f"""
WITH last AS (
    SELECT DISTINCT ON (event.segment_id, event.customer_id)
           event.segment_id, event.customer_id, event.entered, event.happened_at, event.rule_version, undone.survivor_id
      FROM crm_merge AS undone
      JOIN crm_customer AS customer ON customer.id = undone.merged_id
      JOIN segments_membershipevent AS event ON event.customer_id = undone.merged_id
      JOIN segments_segment AS segment ON segment.id = event.segment_id AND segment.kind IN ('picked', 'frozen')
     WHERE undone.merged_id = ANY(%(ids)s) AND undone.undone_at IS NOT NULL
       AND customer.merged_into_id IS NULL AND customer.erased_at IS NULL AND NOT customer.no_profiling
     ORDER BY event.segment_id, event.customer_id, event.happened_at DESC, event.id DESC, undone.made_at DESC
),
back AS (
    SELECT * FROM last WHERE NOT entered AND EXISTS (
        SELECT FROM crm_merge AS stood
         WHERE stood.merged_id = last.customer_id AND stood.survivor_id = last.survivor_id
           AND last.happened_at BETWEEN stood.made_at AND stood.undone_at)
),
come AS (
    INSERT INTO segments_membership (segment_id, customer_id, entered_at, rule_version)
    SELECT segment_id, customer_id, %(now)s::timestamptz, rule_version FROM back
        ON CONFLICT DO NOTHING
    RETURNING segment_id, customer_id, rule_version
),
gone AS (
    DELETE FROM segments_membership AS member USING back
     WHERE member.segment_id = back.segment_id AND member.customer_id = back.survivor_id
       AND member.entered_at = back.happened_at
    RETURNING member.segment_id, member.customer_id, member.rule_version
),
moved AS (
    SELECT segment_id, customer_id, rule_version, true AS entered FROM come
     UNION ALL
    SELECT segment_id, customer_id, rule_version, false FROM gone
),
{_COUNTED}"""  # noqa: S608 - all of it is ours


def follow_merges(ids: Sequence[int], now: datetime) -> None:
    """Let those of these customers that were merged be replaced by the survivor, and come back where it was undone.

    The caller holds their profiles. Survivors get a mark of their own: what asks for these groups follows.
    """
    params: dict[str, Any] = {"ids": list(ids), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_ASK, params)
        merged, undone = cursor.fetchone()
        moved: set[int] = set()
        for asked, statement in ((merged, _UNITE), (undone, _PART)):
            if asked:
                cursor.execute(statement, params)
                moved |= {customer_id for (customer_id,) in cursor.fetchall()}
    if moved - set(ids):
        mark_customers(customer_ids=moved - set(ids))
