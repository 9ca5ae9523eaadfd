"""Filling a table that is still empty: its foreign keys and indexes wait until the rows are there.

Checked and built in one go they cost a tenth of what they cost row by row. The tables that the keys refer to are locked
until the import commits; so this is for a shop's first large import, when there is nothing to look at yet. The
constraints come back under their names, word for word, or the whole import fails.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LARGE = 20_000
"""Rows from which this pays."""

_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
      FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]) AND contype = 'f' ORDER BY 1, 2
"""
# Those that another table's foreign key needs must stay.
_UNIQUE = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
      FROM pg_constraint AS own
     WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('p', 'u')
       AND NOT EXISTS (SELECT FROM pg_constraint AS other WHERE other.contype = 'f' AND other.conindid = own.conindid)
     ORDER BY 1, 2
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
      FROM pg_index
     WHERE indrelid = ANY(%s::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
     ORDER BY 1
"""


@contextmanager
def filling(cursor: Any, tables: Sequence[str], *, rows: int, unchecked: Sequence[str] = ()) -> Iterator[None]:
    """Within this block ``rows`` go into these tables. Nothing special unless they are many and the tables empty.

    Of those that are ``unchecked`` until the block ends, unique keys wait too, as far as nothing else refers to them.
    """
    if rows < LARGE or not _may_change(cursor, tables) or not _are_empty(cursor, tables):
        yield
        return
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is pending on a table forbids to change it
    cursor.execute(_FOREIGN_KEYS, [list(tables)])
    foreign_keys = cursor.fetchall()
    cursor.execute(_INDEXES, [list(tables)])
    indexes = cursor.fetchall()
    for table, name, _definition in foreign_keys:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute(_UNIQUE, [list(unchecked)])
    unique = cursor.fetchall()
    for table, name, _definition in unique:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for index, _definition in indexes:
        cursor.execute(f"DROP INDEX {index}")
    yield
    cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for _index, definition in indexes:
        cursor.execute(definition)
    for table, name, definition in (*unique, *foreign_keys):
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _may_change(cursor: Any, tables: Sequence[str]) -> bool:
    cursor.execute(
        "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid = ANY(%s::regclass[])", [list(tables)]
    )
    return bool(cursor.fetchone()[0])


def _are_empty(cursor: Any, tables: Sequence[str]) -> bool:
    cursor.execute("SELECT NOT (" + " OR ".join(f"EXISTS (SELECT FROM {table})" for table in tables) + ")")
    return bool(cursor.fetchone()[0])
