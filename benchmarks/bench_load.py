"""Loading the demo's receipts through the import, against a bare COPY of the rows that come of it.

The limit copies receipts and lines that are ready made into tables of the same shape: same indexes, constraints and
foreign keys. The import reads and checks the file, finds customers, products and stores, makes receipts of rows, and
keeps the profiles. Once into an empty shop, once into one that has as many receipts already. Each run is rolled back.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.results import Result, Scale, interleaved
from campaigns.demo.journey import SOURCE, ZONE, Journey, weeks_until
from crm import profiles
from crm.importing import import_file

HOUSEHOLDS: dict[Scale, int | None] = {"small": 250, "full": None}
RUNS: dict[Scale, int] = {"small": 5, "full": 5}
TABLES = {"crm_receipt": "bare_receipt", "crm_receiptline": "bare_receiptline"}


def run(scale: Scale) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as name:
        folder = Path(name)
        lines = _prepare(folder, HOUSEHOLDS[scale])
        yield _compare("loading the demo's receipts into an empty shop", folder, lines, runs=RUNS[scale])
        _fill_both(folder)
        yield _compare("loading them into a shop that has as many", folder, lines, runs=RUNS[scale])


def _compare(name: str, folder: Path, lines: int, *, runs: int) -> Result:
    compared = interleaved(
        _in_vain(lambda: _load(folder, SOURCE), TABLES), _in_vain(lambda: _copy(folder), TABLES.values()), runs
    )
    return Result(
        name=f"{name}, against bare COPY",
        ratio=1 / compared.time_ratio,
        goal=0.3,
        better="higher",
        limit_per_s=compared.limit_per_s(lines),
        more={
            "per_s": round(compared.per_s(lines)),
            "lines": lines,
            "seconds": round(compared.measured_s, 2),
            "runs": compared.runs,
        },
    )


def _prepare(folder: Path, households: int | None) -> int:
    """Customers, products and stores in the database, the receipts' file, and the rows that come of it."""
    now = timezone.now()
    journey = Journey(weeks=weeks_until(timezone.localdate(now)), households=households)
    journey.write_customers(folder / "customers.csv", today=now)
    journey.write_products(folder / "products.csv")
    journey.write_receipts(folder / "receipts.csv")
    for kind in ("customers", "products"):
        import_file(kind=kind, path=folder / f"{kind}.csv", time_zone=ZONE)
    _load(folder, SOURCE)
    with transaction.atomic(), connection.cursor() as cursor:
        for table in TABLES:
            _write_rows(cursor, table, folder / table)
        cursor.execute("TRUNCATE crm_receipt, crm_customercategory CASCADE")
        profiles.recount()
        _make_bare_tables(cursor)
    return journey.facts.lines


def _make_bare_tables(cursor: Any) -> None:
    for table, bare in TABLES.items():
        cursor.execute(f"CREATE TABLE {bare} (LIKE {table} INCLUDING ALL)")
    for table, bare in TABLES.items():
        cursor.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
            [table],
        )
        for (definition,) in cursor.fetchall():
            for original, copied in TABLES.items():
                definition = definition.replace(f"REFERENCES {original}(", f"REFERENCES {copied}(")
            cursor.execute(f"ALTER TABLE {bare} ADD {definition}")


def _write_rows(cursor: Any, table: str, path: Path) -> None:
    with path.open("wb") as file, cursor.copy(f"COPY {table} TO STDOUT") as copy:
        file.writelines(copy)


def _load(folder: Path, source: str) -> None:
    import_file(kind="receipts", path=folder / "receipts.csv", time_zone=ZONE, source=source)


def _copy(folder: Path) -> None:
    with connection.cursor() as cursor:
        for table, bare in TABLES.items():
            with (folder / table).open("rb") as file, cursor.copy(f"COPY {bare} FROM STDIN") as copy:
                while block := file.read(1 << 16):
                    copy.write(block)


def _fill_both(folder: Path) -> None:
    """As many receipts of another source in the real tables, and in the bare ones."""
    _load(folder, "earlier")
    with connection.cursor() as cursor:
        for table, bare in TABLES.items():
            cursor.execute(f"INSERT INTO {bare} SELECT * FROM {table}")


def _in_vain(work: Callable[[], None], tables: Iterable[str]) -> Callable[[], float]:
    """Seconds that the work takes, its deferred checks included; then nothing is left of it."""

    def timed() -> float:
        with transaction.atomic(), connection.cursor() as cursor:
            started = time.perf_counter()
            work()
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            took = time.perf_counter() - started
            transaction.set_rollback(True)
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM {', '.join(tables)}")
        return took

    return timed
