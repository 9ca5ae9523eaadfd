"""Rows of customers that went up in others: they fill what the survivor lacks, and what they say about consent counts.

Nothing else of such a row may count: the survivor has a row, or a till, of their own, and the same file again must find
nothing to change. So before anything is merged, these rows become part of the survivor's row, or become it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from crm.importing.customers_sql import BLANK_TEXTS, MAYBE, WORDS
from crm.models import Channel

_ADDRESS = ("address", "postcode", "city", "region", "country")
_HAS_ADDRESS = "survivor.address || survivor.postcode || survivor.city <> ''"

_FIND = """
    CREATE TEMP TABLE import_merged ON COMMIT DROP AS
    SELECT new.row, survivor.id AS survivor_id, survivor.number,
           (SELECT own.row FROM import_row AS own WHERE own.customer_id = survivor.number) AS own_row
      FROM crm_customer AS merged
      JOIN import_row AS new ON new.customer_id = merged.number
      JOIN crm_customer AS survivor ON survivor.id = merged.merged_into_id
     WHERE merged.merged_into_id IS NOT NULL AND survivor.merged_into_id IS NULL AND survivor.erased_at IS NULL
"""


def absorb(cursor: Any) -> None:
    """Let rows of merged numbers speak for their survivors. Expects the refused rows to be gone."""
    cursor.execute(_FIND)
    if cursor.rowcount:
        cursor.execute(_SUM_UP)
        cursor.execute(_ADD_TO_OWN_ROW)
        cursor.execute(_BECOME_THE_ROW)


def _fields() -> Iterator[tuple[str, str, str]]:
    """Each column: its name, when a row says something in it, and when the survivor has something there already."""
    for name in BLANK_TEXTS:
        has = _HAS_ADDRESS if name in _ADDRESS else f"""survivor."{name}" <> ''"""
        yield name, f"""new."{name}" <> ''""", has
    for name in MAYBE:
        yield name, f"""new."{name}" IS NOT NULL""", f"""survivor."{name}" IS NOT NULL"""
    for name in WORDS:
        yield name, f"""new."{name}" <> '{{}}'""", f"""survivor."{name}" <> '{{}}'"""
    yield "household_id", "new.household_id <> ''", "survivor.household_id IS NOT NULL"
    yield "company", "new.company <> ''", "survivor.company_id IS NOT NULL"
    yield "card_number", "new.card_number <> ''", "false"
    yield "custom", "new.custom <> '{}'", "false"


def _lines(parts: Iterable[str]) -> str:
    return ",\n           ".join(parts)


def _said(name: str) -> str:
    lacked = "new.custom - ARRAY(SELECT jsonb_object_keys(survivor.custom))"
    return lacked if name == "custom" else f'new."{name}"'


# There is no aggregate for "the first one", and lists of words can't be elements of an array.
_FIRSTS = _lines(
    f"""(SELECT {_said(name)} FROM import_merged AS one JOIN import_row AS new ON new.row = one.row
              WHERE one.survivor_id = survivor.id AND {says} AND NOT ({has}) ORDER BY new.row LIMIT 1) AS "{name}" """
    for name, says, has in _fields()
)
_CONSENTS = _lines(f"bool_and(new.consent_{channel}) AS consent_{channel}" for channel in Channel.values)

_SUM_UP = f"""
    CREATE TEMP TABLE import_absorbed ON COMMIT DROP AS
    SELECT said.own_row, said.first_row, said.number, said.consent_date, said.consent_source,
           {_lines(f"said.consent_{channel}" for channel in Channel.values)},
           {_FIRSTS}
      FROM (SELECT merged.survivor_id, min(merged.own_row) AS own_row, min(merged.row) AS first_row,
                   min(merged.number) AS number, max(new.consent_date) AS consent_date,
                   max(new.consent_source) AS consent_source, {_CONSENTS}
              FROM import_merged AS merged JOIN import_row AS new ON new.row = merged.row
             GROUP BY merged.survivor_id) AS said
      JOIN crm_customer AS survivor ON survivor.id = said.survivor_id
"""

_TEXTS = {*BLANK_TEXTS, "household_id", "company", "card_number"}


def _filled(name: str) -> str:
    """The row's own value, else what was absorbed."""
    if name == "custom":
        return "coalesce(absorbed.custom, '{}') || own.custom"
    if name in _TEXTS:
        return f"""coalesce(nullif(own."{name}", ''), absorbed."{name}", '')"""
    if name in WORDS:
        return f"""coalesce(nullif(own."{name}", '{{}}'), absorbed."{name}", '{{}}')"""
    return f"""coalesce(own."{name}", absorbed."{name}")"""


def _alone(name: str) -> str:
    """What was absorbed, the row's own value aside."""
    if name == "custom":
        return "coalesce(absorbed.custom, '{}')"
    if name in _TEXTS:
        return f"""coalesce(absorbed."{name}", '')"""
    return f"""coalesce(absorbed."{name}", '{{}}')""" if name in WORDS else f"""absorbed."{name}" """


_NAMES = [name for name, _says, _has in _fields()]
# Of two statements in one file the strictest counts.
_STRICTEST = _lines(
    f"consent_{channel} = least(own.consent_{channel}, absorbed.consent_{channel})" for channel in Channel.values
)

_ADD_TO_OWN_ROW = f"""
    UPDATE import_row AS own
       SET {_lines(f'"{name}" = {_filled(name)}' for name in _NAMES)},
           consent_date = greatest(own.consent_date, absorbed.consent_date),
           consent_source = greatest(own.consent_source, absorbed.consent_source),
           {_STRICTEST}
      FROM import_absorbed AS absorbed
     WHERE own.row = absorbed.own_row
"""

_BECOME_THE_ROW = f"""
    UPDATE import_row AS own
       SET customer_id = absorbed.number,
           {_lines(f'"{name}" = {_alone(name)}' for name in _NAMES)},
           consent_date = absorbed.consent_date, consent_source = absorbed.consent_source,
           {_lines(f"consent_{channel} = absorbed.consent_{channel}" for channel in Channel.values)}
      FROM import_absorbed AS absorbed
     WHERE own.row = absorbed.first_row AND absorbed.own_row IS NULL
"""
