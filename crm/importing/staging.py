"""Parsed rows on their way into the tables: a temporary table that lives as long as the transaction, filled by COPY.

The rows go over in one COPY; what is wrong with the others goes to a second table. So memory stays flat however long
the file is, and however bad.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from crm.importing.cells import NULL, BadCell, escaped
from crm.importing.reading import Row

BLOCK = 500
"""Rows that go over the wire together."""
BAD_AT_ONCE = 20_000

Encode = Callable[[Sequence[list[str]]], Iterable[str]]
"""Some rows' cells as COPY lines (without row numbers and newlines); BadCell where one is bad."""


_DROP = """
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT relname FROM pg_class
                     WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND relname LIKE 'import\\_%' LOOP
            EXECUTE format('DROP TABLE pg_temp.%I', name);
        END LOOP;
    END $$
"""


class Staging:
    """The tables ``import_row`` (the rows that can be read) and ``import_problem`` (the others, with the reason)."""

    def __init__(self, cursor: Any, columns: dict[str, str]) -> None:
        self.cursor = cursor
        self.rows = 0
        self.unchanged = 0
        """Rows that did not have to be staged."""
        self._bad: list[str] = []
        definitions = ", ".join(f'"{name}" {sql_type}' for name, sql_type in columns.items())
        cursor.execute(f"CREATE TEMP TABLE import_row (row integer NOT NULL, {definitions}) ON COMMIT DROP")
        cursor.execute("CREATE TEMP TABLE import_problem (row integer, key text, reason text) ON COMMIT DROP")

    def drop(self) -> None:
        """Drop these tables and those that the merge has made, so that one transaction may hold several imports."""
        self.cursor.execute(_DROP)

    def empty(self) -> None:
        """Forget every row, so that the file can be read again in another way."""
        self.cursor.execute("TRUNCATE import_row, import_problem")
        self.rows = 0

    def has_problems(self, fields: Iterable[str]) -> bool:
        """Whether some row was refused because of one of these fields."""
        named = "|".join(fields)
        self.cursor.execute("SELECT EXISTS (SELECT FROM import_problem WHERE reason ~ %s)", [f"(^|\\. )({named}): "])
        return bool(self.cursor.fetchone()[0])

    def fill(
        self,
        rows: Iterable[Row],
        *,
        copied: Iterable[str],
        encode: Encode,
        key: Callable[[list[str]], str],
        explain: Callable[[list[str]], str],
    ) -> None:
        """Copy the rows. ``key`` names what a bad row belongs to; ``explain`` says all that is wrong with its cells."""
        names = ", ".join(f'"{name}"' for name in copied)
        into = f"COPY import_row (row, {names}) FROM STDIN"
        waiting = iter(rows)
        while self._copy_until_many_are_bad(into, waiting, encode, key, explain):
            self._copy_problems()
        self._copy_problems()
        self.cursor.execute(f"ANALYZE import_row (row, {names})")  # the others are as blank as their default says

    def _copy_until_many_are_bad(
        self,
        into: str,
        rows: Iterator[Row],
        encode: Encode,
        key: Callable[[list[str]], str],
        explain: Callable[[list[str]], str],
    ) -> bool:
        """One COPY, which the server takes in while the next rows are parsed; whether rows may be left after it.

        It ends where enough bad rows have come together to be copied themselves: a connection does one at a time.
        """
        with self.cursor.copy(into) as copy:
            while block := list(islice(rows, BLOCK)):
                self.rows += len(block)
                copy.write(_encoded(block, encode) or "".join(self._good_ones(block, encode, key, explain)))
                if len(self._bad) >= BAD_AT_ONCE:
                    return True
        return False

    def _good_ones(
        self,
        rows: list[Row],
        encode: Encode,
        key: Callable[[list[str]], str],
        explain: Callable[[list[str]], str],
    ) -> Iterator[str]:
        """Row by row: what the good ones are for COPY. The others are noted with what is wrong with them."""
        for row in rows:
            if encoded := _encoded([row], encode):
                yield encoded
            else:
                number, cells, problem = row
                self._add_problem(number, cells, problem or explain(cells), key)

    def _add_problem(self, number: int, cells: list[str], reason: str, key: Callable[[list[str]], str]) -> None:
        try:
            belongs_to = key(cells)
        except (BadCell, IndexError):
            belongs_to = NULL
        self._bad.append(f"{number}\t{belongs_to}\t{escaped(reason)}\n")

    def _copy_problems(self) -> None:
        if self._bad:
            with self.cursor.copy("COPY import_problem (row, key, reason) FROM STDIN") as copy:
                copy.write("".join(self._bad))
            self._bad.clear()


def _encoded(rows: list[Row], encode: Encode) -> str:
    """The rows as COPY wants them, or "" where one of them is bad."""
    numbers, cells, problems = zip(*rows, strict=True)
    if any(problems):
        return ""
    try:
        return "".join([f"{number}\t{line}\n" for number, line in zip(numbers, encode(cells), strict=True)])
    except BadCell:
        return ""


def explain_with(checks: Iterable[tuple[str, Callable[[list[str]], Any]]]) -> Callable[[list[str]], str]:
    """Says everything that is wrong with a row, field by field."""
    checks = list(checks)

    def explain(cells: list[str]) -> str:
        reasons = []
        for field, check in checks:
            try:
                check(cells)
            except BadCell as bad:
                reasons.append(f"{bad.field or field}: {bad.reason}")
        return " ".join(reasons)

    return explain
