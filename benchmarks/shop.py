"""The generated shop: as many customers as wanted, ten receipts and thirty lines for each of them.

It has a database of its own, which is kept between runs as long as neither the generator nor the tables change, and is
the same for the same seed and day. Facts are drawn by numpy and written by binary COPY while the tables have no indexes
and foreign keys; profiles and category rows come from the product's own recount.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from django.db import connection
from django.utils import timezone
from psycopg import sql

from benchmarks import shop_people
from benchmarks.results import Scale
from benchmarks.shop_facts import Sizes, Trade
from crm import profiles
from crm.days import shop_day

ROOT = Path(__file__).resolve().parent.parent
CUSTOMERS: dict[Scale, int] = {"small": 50_000, "full": 1_000_000}
SEED = 42
_BULK = ("crm_receipt", "crm_receiptline")
_READ = (
    "crm_customer, crm_customerprofile, crm_customercategory, crm_receipt, crm_receiptline, crm_product, crm_category"
)


@dataclass(frozen=True)
class Shop:
    sizes: Sizes
    now: datetime
    """The moment at which the shop stands; the last sale is of the day before."""

    @property
    def said(self) -> dict[str, int]:
        """Its sizes, for a line of the report."""
        return {"customers": self.sizes.customers, "receipts": self.sizes.receipts, "lines": self.sizes.lines}


@contextmanager
def opened(scale: Scale) -> Iterator[Shop]:
    """Django's connection, and that of every process started meanwhile, lead to the generated shop.

    Segments, members and marks of earlier benchmarks are gone from it. ``REGULARS_BENCH_CUSTOMERS`` sets the size.
    """
    sizes = Sizes(int(os.environ.get("REGULARS_BENCH_CUSTOMERS") or CUSTOMERS[scale]))
    url = os.environ["DATABASE_URL"]
    name = f"regulars_shop_{sizes.customers}"
    server, bench = url.rpartition("/")[0], connection.settings_dict["NAME"]
    known = _known(url, name)
    if known is None:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    connection.close()
    os.environ["DATABASE_URL"], connection.settings_dict["NAME"] = f"{server}/{name}", name
    try:
        shop = Shop(sizes, known) if known else _make(sizes, timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE segments_segment, segments_membership, segments_membershipevent CASCADE")
            cursor.execute("TRUNCATE crm_changemark")
        yield shop
    finally:
        connection.close()
        os.environ["DATABASE_URL"], connection.settings_dict["NAME"] = url, bench


def _fingerprint() -> str:
    """Of the generator and of the tables: another one asks for a new shop."""
    files = [
        *Path(__file__).parent.glob("shop*.py"),
        *ROOT.glob("crm/migrations/*.py"),
        *ROOT.glob("segments/migrations/*.py"),
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


def _known(url: str, name: str) -> datetime | None:
    """The moment of the shop that was kept; None where there is none that fits."""
    with psycopg.connect(url) as admin:
        row = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
    kept = json.loads(row[0]) if row and row[0] else {}
    return datetime.fromisoformat(kept["now"]) if kept.get("fingerprint") == _fingerprint() else None


def _make(sizes: Sizes, now: datetime) -> Shop:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, stdout=sys.stderr, check=True
    )
    say = _Teller()
    trade = draw(sizes, now=now)
    say("drawn")
    with connection.cursor() as cursor:
        write_people(cursor, trade, now=now)
        say("customers written")
        restore = _bare(cursor)
        write_trade(cursor, trade)
        say("receipts written")
        restore()
        say("indexes and foreign keys made")
        # The sample that ANALYZE takes sees far too few customers where some come often; a shop knows better.
        for table, share in (("crm_receipt", 0.085), ("crm_receiptline", 0.03)):
            cursor.execute(f"ALTER TABLE {table} ALTER customer_id SET (n_distinct = {-share})")
        cursor.execute(f"VACUUM (ANALYZE) {_READ}, crm_consent, crm_loyaltyentry, crm_store")
        say("vacuumed")
        profiles.recount()
        say("profiles counted")
        cursor.execute("VACUUM (ANALYZE) crm_customerprofile, crm_customercategory")
        kept = json.dumps({"fingerprint": _fingerprint(), "now": now.isoformat()})
        cursor.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(connection.settings_dict["NAME"]), sql.Literal(kept)
            )
        )
    say(
        f"a shop of {sizes.customers:,} customers, {sizes.receipts:,} receipts and {sizes.lines:,} lines is ready",
        started,
    )
    return Shop(sizes, now)


def draw(sizes: Sizes, *, now: datetime, seed: int = SEED) -> Trade:
    """What is sold and bought."""
    return Trade(sizes, today=shop_day(now), zone=ZoneInfo(timezone.get_default_timezone_name()), seed=seed)


def write_people(cursor: Any, trade: Trade, *, now: datetime) -> None:
    """Stores, goods, customers, their consents and points."""
    facts = {
        "now": now,
        "today": shop_day(now),
        "customers": trade.sizes.customers,
        "stores": trade.sizes.stores,
        "departments": trade.sizes.departments,
        "shelves": trade.shelves.tolist(),
        "prices": trade.prices.tolist(),
    }
    shop_people.write(cursor, facts, seed=trade.seed)


def write_trade(cursor: Any, trade: Trade) -> None:
    """Receipts and lines. Profiles know nothing of them until they are counted."""
    for block in trade.blocks():
        block.write(cursor)
    shop_people.raise_serials(cursor)


class _Teller:
    """Says what has been done, and how many seconds it took."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def __call__(self, what: str, since: float | None = None) -> None:
        now = time.perf_counter()
        print(f"  {what}: {now - (since or self.last):.1f} s", file=sys.stderr)
        self.last = now


def _bare(cursor: Any) -> Callable[[], None]:
    """Take foreign keys, indexes and unique constraints off the large tables; the primary keys stay.

    Returns what puts them back, exactly as they were.
    """
    cursor.execute(
        """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('f', 'u') ORDER BY contype DESC
        """,
        [list(_BULK)],
    )
    constraints = cursor.fetchall()
    for table, name, _definition in constraints:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute(
        """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
          FROM pg_index WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary
        """,
        [list(_BULK)],
    )
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f"DROP INDEX {name}")

    def restore() -> None:
        cursor.execute("SET maintenance_work_mem = '1GB'")
        for _name, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in constraints:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        cursor.execute("RESET maintenance_work_mem")

    return restore
