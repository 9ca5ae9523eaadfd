"""Importing a shop's lists at scale, against a bare COPY of the rows.

- Customers, half of them new and half changed, against COPY of the customers that come of them into a table with the
  same indexes, constraints and foreign keys, which holds as many as the shop before.
- The same file again, which changes nothing, against COPY of the customers into a table with only a primary key; and
  against COPY of the file's few columns, as text, into such a table.
- Receipts with their products and profiles, into a shop without any and into one with as many, against COPY of the
  lines that come of them into a table with the same indexes, constraints and foreign keys, which holds as many as the
  shop.

Each import runs in a process of its own, which tells its peak memory. Both sides are rolled back.
"""

import csv
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from benchmarks import baskets, import_alone, people
from benchmarks.results import Result, Scale, interleaved
from crm.importing import import_file

ROWS: dict[Scale, int] = {"small": 50_000, "full": 1_000_000}
RUNS = 3
MOST_MB = 300
_CHANGES = (["email"], ["phone"], ["postcode", "city"], ["last_name", "email"], ["tags"])
_CUSTOMER_TABLES = ("crm_customer", "crm_customerprofile", "crm_customername", "crm_nameword", "crm_loyaltycard")
_RECEIPT_TABLES = ("crm_store", "crm_category", "crm_product", "crm_receipt", "crm_receiptline")


def run(scale: Scale) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="regulars-bench-") as name:
        yield from _customers(Path(name), ROWS[scale])
        yield from _receipts(Path(name), ROWS[scale])


def _customers(folder: Path, rows: int) -> Iterator[Result]:
    before, now = folder / "before.csv", folder / "now.csv"
    people.write(before, rows // 2)
    _write_changed(now, rows)
    import_file(kind="customers", path=before)
    _tables_after("customers", now, ["crm_customer"], folder)
    _vacuum(_CUSTOMER_TABLES)
    _make_bare_table("crm_customer", folder)
    with connection.cursor() as cursor:  # as many as the shop has, but others than those in the file
        cursor.execute("INSERT INTO bare_crm_customer SELECT * FROM crm_customer")
        cursor.execute("UPDATE bare_crm_customer SET id = -id, number = 'X' || number, public_id = gen_random_uuid()")
        cursor.execute("VACUUM (FULL, ANALYZE) bare_crm_customer")
    limit = _Copy("bare_crm_customer", folder / "crm_customer")
    yield _compare(
        "importing customers, half new and half changed",
        _Import("customers", now, _CUSTOMER_TABLES, {"created": rows // 2, "updated": rows // 2}),
        limit,
        rows,
        goal=0.3,
    )
    import_file(kind="customers", path=now)
    _vacuum(_CUSTOMER_TABLES)
    yield from _unchanged(now, folder / "crm_customer", rows)


def _unchanged(path: Path, customers: Path, rows: int) -> Iterator[Result]:
    """Twice: the rows of the table, and those of the file, which are a quarter as long."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bare_crm_customer")
        cursor.execute("CREATE TABLE bare_customer (LIKE crm_customer INCLUDING DEFAULTS, PRIMARY KEY (id))")
        columns = ", ".join(f"{name} text" + " PRIMARY KEY" * (name == "customer_id") for name in people.COLUMNS)
        cursor.execute(f"CREATE TABLE bare_list ({columns})")
    ours = _Import("customers", path, (), {"unchanged": rows})
    name = "importing customers again, none changed"
    yield _compare(name, ours, _Copy("bare_customer", customers), rows, goal=0.5)
    yield _compare(f"{name}; the file's cells", ours, _Copy("bare_list", path, "(FORMAT csv, HEADER)"), rows, goal=0.5)


def _write_changed(path: Path, count: int) -> None:
    """The people of the first half, each with something new about them, and as many others."""
    chance = random.Random(13)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(people.COLUMNS)
        rows = zip(people.people(count), people.people(count, seed=17), strict=True)
        for number, (row, other) in enumerate(rows):
            if number < count // 2:
                for name in chance.choice(_CHANGES):
                    at = people.COLUMNS.index(name)
                    row[at] = other[at] if other[at] not in ("", row[at]) else _anew(name, number, row[at])
            writer.writerow(row)


def _anew(name: str, number: int, cell: str) -> str:
    return {"email": f"new{number}@example.org", "phone": f"+371 20{number % 1_000_000:06d}"}.get(name, f"{cell}2")


def _receipts(folder: Path, rows: int) -> Iterator[Result]:
    tables = (*_RECEIPT_TABLES, "crm_customercategory", "crm_customerprofile")
    for series, name in (("A", "a shop without any"), ("B", "a shop that has as many")):
        path = folder / f"{series}.csv"
        baskets.write(path, rows, customers=rows // 10, series=series, seed=ord(series))
        _tables_after("receipts", path, _RECEIPT_TABLES, folder, only_new="crm_receiptline")
        for table in _RECEIPT_TABLES:
            _make_bare_table(table, folder, filled=table != "crm_receiptline")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bare_crm_receiptline SELECT * FROM crm_receiptline")
        _vacuum(["bare_crm_receiptline"])
        limit = _Copy("bare_crm_receiptline", folder / "crm_receiptline")
        yield _compare(f"importing receipts into {name}", _Import("receipts", path, tables, {}), limit, rows, goal=0.3)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {', '.join(f'bare_{table}' for table in _RECEIPT_TABLES)}")
        import_file(kind="receipts", path=path)
        _vacuum(tables)


@dataclass
class _Import:
    """An import in vain; what was worst about its runs is kept."""

    kind: str
    path: Path
    tables: Sequence[str]
    counts: dict[str, int]
    peak_mb: float = 0.0
    cpu_s: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        said = import_alone.run(self.kind, self.path, in_vain=True)
        wrong = {name: said["counts"][name] for name, count in self.counts.items() if said["counts"][name] != count}
        assert not wrong and not said["counts"]["refused"], said["counts"]
        _vacuum(self.tables)
        self.peak_mb = max(self.peak_mb, said["peak_mb"])
        self.cpu_s.append(said["cpu_s"])
        return float(said["seconds"])


@dataclass
class _Copy:
    """A file's rows copied in vain."""

    table: str
    path: Path
    options: str = ""

    def __call__(self) -> float:
        with transaction.atomic(), connection.cursor() as cursor:
            started = time.perf_counter()
            with self.path.open("rb") as file, cursor.copy(f"COPY {self.table} FROM STDIN {self.options}") as copy:
                while block := file.read(1 << 16):
                    copy.write(block)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            took = time.perf_counter() - started
            transaction.set_rollback(True)
        _vacuum([self.table])
        return took


def _compare(name: str, ours: _Import, limit: _Copy, rows: int, *, goal: float) -> Result:
    compared = interleaved(ours, limit, RUNS)
    more: dict[str, Any] = {
        "per_s": round(compared.per_s(rows)),
        "rows": rows,
        "seconds": round(compared.measured_s, 2),
        "python_cpu_s": round(min(ours.cpu_s), 2),
        "peak_mb": ours.peak_mb,
        "most_mb": MOST_MB,
        "memory_met": ours.peak_mb < MOST_MB,
        "runs": compared.runs,
    }
    ratio = 1 / compared.time_ratio
    return Result(f"{name}, against bare COPY", ratio, goal, "higher", compared.limit_per_s(rows), more)


def _tables_after(kind: str, path: Path, tables: Sequence[str], folder: Path, *, only_new: str = "") -> None:
    """Write the rows that these tables would hold after the import (or the new ones), each to a file of its name."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {only_new or tables[0]}")
        last = cursor.fetchone()[0]
        import_file(kind=kind, path=path)
        for table in tables:
            rows = f"SELECT * FROM {table}" + (f" WHERE id > {last}" if table == only_new else "")
            with (folder / table).open("wb") as file, cursor.copy(f"COPY ({rows}) TO STDOUT") as copy:
                file.writelines(copy)
        transaction.set_rollback(True)


def _make_bare_table(table: str, folder: Path, *, filled: bool = False) -> None:
    """A table like this one, with its indexes, constraints and foreign keys; these lead to other such tables."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
        if filled:
            with (folder / table).open("rb") as file, cursor.copy(f"COPY bare_{table} FROM STDIN") as copy:
                while block := file.read(1 << 16):
                    copy.write(block)
        cursor.execute(
            "SELECT pg_get_constraintdef(oid), confrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND conrelid = %s::regclass",
            [table],
        )
        for definition, other in cursor.fetchall():
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"bare_{other}"])
            bare = f"REFERENCES {'bare_' if cursor.fetchone()[0] else ''}{other}("
            cursor.execute(f"ALTER TABLE bare_{table} ADD {definition.replace(f'REFERENCES {other}(', bare)}")
    _vacuum([f"bare_{table}"])


def _vacuum(tables: Sequence[str]) -> None:
    if tables:
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM (ANALYZE) {', '.join(tables)}")
