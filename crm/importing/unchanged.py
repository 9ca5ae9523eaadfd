"""Rows that say word for word what is known: the database finds them, and nobody else has to read them.

Most of a list that comes every week is as it was. Such a row is counted and left alone. All others go the usual way,
and so does a file that our own reader might part into other cells (:mod:`crm.importing.raw`). The outcome is the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
from django.db import transaction

from crm.importing.cells import BadCell, escaped
from crm.importing.columns import Column
from crm.importing.plan import Plan
from crm.importing.raw import FIRST_ROW, NotPlain, RawFile, may_be_plain
from crm.importing.reading import CsvFile, Row

MOST_MEANINGS = 20_000
"""Different cells of a column that are read by its parser before the comparison; of more, all rows go the usual way."""
FETCHED = 50_000
SAMPLE = 500
WORTH_IT = 0.2
"""The share of the first rows' keys that must be known."""


@dataclass(frozen=True)
class Comparison:
    """How a kind's rows are compared with what is known.

    ``known`` is a FROM item with the alias "known", and ``key`` its column that the file's first column names. Those
    are looked at for which ``comparable`` holds, and whose keys are not among those that the query ``aside`` gives.

    ``join`` and ``condition`` are asked once a column. They get its cell, an expression of text; and ``condition`` also
    what the cell means, where cells of this column are read first: an expression of the column's type, NULL for a
    blank. A condition of None takes the whole comparison back.
    """

    known: str
    key: str
    comparable: str
    aside: str
    condition: Callable[[str, str, str | None], str | None]
    join: Callable[[str, str], str]
    as_written: frozenset[str]
    """Columns whose plain cells are compared as text; the others' are read first."""


@dataclass
class Unchanged:
    """Which rows were found. ``odd`` are those that are not: they may bear a key that only the parser makes out."""

    rows: bytearray
    count: int
    odd: list[int]
    key: str

    @property
    def is_everything(self) -> bool:
        return self.count == len(self.rows) - FIRST_ROW

    def others(self, rows: Iterator[Row]) -> Iterator[Row]:
        return (row for row in rows if not self.rows[row[0]])

    def is_contradicted(self, cursor: Any, column: str) -> bool:
        """Whether an odd row, now that it is read, has the key of a row that was taken for unchanged."""
        if not self.odd:
            return False
        cursor.execute(
            f"""
            SELECT EXISTS (SELECT FROM import_row AS odd JOIN import_raw AS raw ON raw.{self.key} = odd.{column}
                            WHERE odd.row = ANY(%s) AND raw.row <> odd.row
                              AND NOT EXISTS (SELECT FROM import_rest AS rest WHERE rest.row = raw.row))
            """,
            [self.odd],
        )
        return bool(cursor.fetchone()[0])


def find_unchanged(
    cursor: Any, plan: Plan, columns: Mapping[str, Column], comparison: Comparison, told: Callable[[float], None]
) -> Unchanged | None:
    """The rows of the file that say nothing new; None where they cannot be told, or are hardly worth it."""
    reader = plan.reader
    if not isinstance(reader, CsvFile) or not may_be_plain(reader) or not plan.only_converts:
        return None
    return _Search(cursor, plan, reader, columns, comparison).run(told)


class _Search:
    def __init__(
        self, cursor: Any, plan: Plan, reader: CsvFile, columns: Mapping[str, Column], comparison: Comparison
    ) -> None:
        self.cursor, self.plan, self.reader = cursor, plan, reader
        self.columns, self.comparison = columns, comparison
        self.cells = [f"c{at}" for at in range(len(reader.header))]
        self.key_column = next(iter(columns))
        self.key = f"c{plan.where[self.key_column]}"

    def run(self, told: Callable[[float], None]) -> Unchanged | None:
        if not self._is_worth_it():
            return None
        self.cursor.execute("DROP TABLE IF EXISTS pg_temp.import_raw, pg_temp.import_rest")
        raw = RawFile(self.reader)
        try:
            with transaction.atomic():
                self._copy(raw, told)
        except (NotPlain, psycopg.DataError):
            return None
        self.cursor.execute(f"ANALYZE import_raw ({self.key})")
        if (conditions := self._conditions()) is None:
            return None
        self._find_rest(conditions, raw.odd)
        return self._result(raw)

    def _is_worth_it(self) -> bool:
        at = self.plan.where[self.key_column]
        if at in self.plan.changes:
            return False
        keys = list({cells[at] for _row, cells, problem in islice(self.reader.rows(), SAMPLE) if not problem})
        self.cursor.execute(
            f"SELECT count(*) FROM {self.comparison.known} WHERE {self.comparison.key} = ANY(%s)", [keys]
        )
        return bool(self.cursor.fetchone()[0] > WORTH_IT * len(keys))

    def _copy(self, raw: RawFile, told: Callable[[float], None]) -> None:
        definitions = ", ".join(f"{cell} text" for cell in self.cells)
        self.cursor.execute(
            f"""
            CREATE TEMP TABLE import_raw ({definitions},
                row integer GENERATED ALWAYS AS IDENTITY (START {FIRST_ROW} CACHE 1000)) ON COMMIT DROP
            """
        )
        names = ", ".join(self.cells)
        delimiter = "E'\\t'" if self.reader.delimiter == "\t" else f"'{self.reader.delimiter}'"
        into = f"COPY import_raw ({names}) FROM STDIN (FORMAT csv, DELIMITER {delimiter}, FORCE_NOT_NULL ({names}))"
        with self.cursor.copy(into) as copy:
            for block in raw.blocks(told):
                copy.write(block)

    def _conditions(self) -> tuple[str, str] | None:
        """The joins, and what holds for an unchanged row."""
        joins, conditions = [], []
        for name, at in self.plan.where.items():
            if name == self.key_column:
                continue
            cell, meaning = f"raw.c{at}", None
            if at in self.plan.changes or name not in self.comparison.as_written:
                if not self._read_meanings(name, at):
                    return None
                joins.append(f"LEFT JOIN import_meaning_{at} AS meaning_{at} ON meaning_{at}.cell = {cell}")
                conditions.append(f"meaning_{at}.cell IS NOT NULL")
                meaning = f"meaning_{at}.value"
            joins.append(self.comparison.join(name, cell))
            condition = self.comparison.condition(name, cell, meaning)
            if condition is None:
                return None
            conditions.append(f"({condition})")
        return "\n".join(joins), " AND ".join(["known.id IS NOT NULL", *conditions])

    def _read_meanings(self, name: str, at: int) -> bool:
        """What the cells of this column are once they are read, in a table; False where they are too many."""
        self.cursor.execute(f"SELECT DISTINCT c{at} FROM import_raw LIMIT {MOST_MEANINGS + 1}")
        different = [cell for (cell,) in self.cursor.fetchall()]
        if len(different) > MOST_MEANINGS:
            return False
        column, convert = self.columns[name], self.plan.changes.get(at)
        value_type = column.type.partition(" NOT NULL")[0]
        self.cursor.execute(f"DROP TABLE IF EXISTS pg_temp.import_meaning_{at}")
        self.cursor.execute(f"CREATE TEMP TABLE import_meaning_{at} (cell text, value {value_type}) ON COMMIT DROP")
        with self.cursor.copy(f"COPY import_meaning_{at} (cell, value) FROM STDIN") as copy:
            for cell in different:
                try:
                    copy.write(f"{escaped(cell)}\t{column.parse(convert(cell) if convert else cell)}\n")
                except BadCell:
                    continue
        self.cursor.execute(f"ANALYZE import_meaning_{at}")
        return True

    def _find_rest(self, conditions: tuple[str, str], odd: list[int]) -> None:
        """Note the rows that are not unchanged: any whose key stands twice in the file are among them."""
        joins, holds = conditions
        to = self.comparison
        self.cursor.execute(
            f"""
            CREATE TEMP TABLE import_rest ON COMMIT DROP AS
            SELECT raw.row
              FROM import_raw AS raw
              LEFT JOIN {to.known} ON {to.key} = raw.{self.key} AND {to.comparable}
              {joins}
             WHERE ({holds}) IS NOT TRUE
            UNION ALL
            SELECT row FROM import_raw WHERE {self.key} IN ({to.aside})
            UNION ALL
            SELECT row FROM import_raw
             WHERE {self.key} IN (SELECT {self.key} FROM import_raw GROUP BY {self.key} HAVING count(*) > 1)
            UNION ALL
            SELECT unnest(%s::integer[])
            """,
            [odd],
        )

    def _result(self, raw: RawFile) -> Unchanged:
        rows = bytearray(b"\1") * (raw.rows + FIRST_ROW)
        rows[:FIRST_ROW] = bytes(FIRST_ROW)
        self.cursor.execute("DECLARE import_others NO SCROLL CURSOR FOR SELECT row FROM import_rest")
        while True:
            self.cursor.execute(f"FETCH {FETCHED} FROM import_others")
            if not (found := self.cursor.fetchall()):
                break
            for (row,) in found:
                rows[row] = 0
        self.cursor.execute("CLOSE import_others")
        return Unchanged(rows=rows, count=sum(rows), odd=raw.odd, key=self.key)
