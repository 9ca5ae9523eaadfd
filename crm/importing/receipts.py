"""Receipts from a file with one row a line.

A receipt's key is (source, receipt id, sale or return); its lines are known by their order. Rows of a receipt may be
anywhere in the file. One bad row refuses its whole receipt, for half a receipt has a wrong total; the others are taken.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from crm import loyalty, profiles, returned
from crm.days import shop_day
from crm.importing import amounts, cells, erased, receipts_sql
from crm.importing.bulk import filling
from crm.importing.cells import column_reader, remembered
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.originals import find_originals
from crm.importing.reading import FileRefused
from crm.importing.receipts_columns import receipt_columns
from crm.importing.shop import create_categories, create_customers, create_products, create_stores, mark_selected
from crm.importing.staging import Encode
from crm.models import Receipt

DEFAULT_STORE = "main"
"""The store of receipts that name none."""

_FILLED = ("crm_receipt", "crm_receiptline", "crm_customercategory")

_HEAD = ("receipt_id", "sold_at", "store", "channel", "customer_id", "card_number", "returns_receipt_id")
_OF_A_LINE = ("sku", "product", "category")
NEIGHBOURS = 1_000
"""Rows of one receipt mostly stand together: what they share is parsed once."""


class ReceiptImporter(Importer):
    """Merges receipts. ``created``, ``unchanged`` and ``refused`` count receipts, not rows."""

    kind = "receipts"
    refused = receipts_sql.REFUSED

    def __init__(self, *, zone: ZoneInfo, now: datetime, source: str) -> None:
        read = cells.instant(zone, now)
        shop_zone = ZoneInfo(settings.TIME_ZONE)

        @remembered
        def when(cell: str) -> str:
            sold_at = read(cell)
            return f"{sold_at.isoformat()}\t{sold_at.astimezone(shop_zone).date().isoformat()}"

        self._when = when
        super().__init__(zone=zone, now=now, source=source)

    def make_columns(self) -> tuple[Column, ...]:
        return receipt_columns(when=self._when)

    def params(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "default_store": DEFAULT_STORE,
            "disagree": _("the rows of this receipt disagree."),
            "too_long": _("a receipt has at most 32,767 lines."),
            "unknown_card": _("nobody has this card."),
            "other_card": _("this is another customer's card."),
            "other_content": _("this receipt is known with other content; a recorded receipt is never changed."),
            "with_row": _("Refused with row {row} of the same receipt: {reason}"),
        }

    def staging_columns(self) -> dict[str, str]:
        types = {column.name: column.type for column in self.columns if column.name not in amounts.FIELDS}
        return types | {
            "sold_on": "date NOT NULL",
            "sign": "smallint NOT NULL",
            "quantity": "numeric(14,3) NOT NULL",
            "unit_price": "numeric(18,6) NOT NULL",
            "discount_minor": "bigint NOT NULL",
            "total_minor": "bigint NOT NULL",
            "content": "text NOT NULL",
        }

    def copied(self, positions: dict[str, int]) -> list[str]:
        if not {"unit_price", "line_total"} & positions.keys():
            raise FileRefused(_("There is neither a column “unit_price” nor “line_total”."))
        head, lines = _in_parts(positions)
        times = ["sold_at", "sold_on"]  # what one parser makes of one cell
        return [*(name for name in head if name != "sold_at"), *times, *lines, *amounts.COLUMNS]

    def encoder(self, positions: dict[str, int]) -> Encode:
        parsers = {column.name: column.parse for column in self.columns}
        head, lines = _in_parts(positions)
        ordered = [*(name for name in head if name != "sold_at"), "sold_at"]
        head_cells, head_parsers = [positions[name] for name in ordered], [parsers[name] for name in ordered]
        plan = [(column_reader(parsers[name]), positions[name]) for name in lines]
        line_cells, read_line = _line(positions)

        def read_head(found: tuple[str, ...]) -> str:
            return "\t".join([parse(cell) for parse, cell in zip(head_parsers, found, strict=True)])

        encode_head = remembered(read_head, limit=NEIGHBOURS)

        def encode(rows: Sequence[list[str]]) -> Iterable[str]:
            columns = list(zip(*rows, strict=True))
            heads = map(encode_head, zip(*[columns[at] for at in head_cells], strict=True))
            own = [read(columns[at]) for read, at in plan]
            amounts_of_lines = map(read_line, zip(*[columns[at] for at in line_cells], strict=True))
            return map("\t".join, zip(heads, *own, amounts_of_lines, strict=True))

        return encode

    def checks(self, positions: dict[str, int]) -> list[tuple[str, Callable[[list[str]], Any]]]:
        line_cells, read_line = _line(positions)
        return [*super().checks(positions), ("quantity", lambda row: read_line(tuple(row[at] for at in line_cells)))]

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in receipts_sql.GROUP:
            cursor.execute(statement, params)
        erased.disown_cards(cursor)
        for statement in (*receipts_sql.REFUSE, receipts_sql.NEW, "ANALYZE import_new"):
            cursor.execute(statement, params)
        erased.disown_numbers(cursor)
        self.show(cursor, receipts_sql.SHOW)
        create_stores(cursor, "SELECT DISTINCT store FROM import_new")
        create_customers(cursor, "SELECT DISTINCT customer FROM import_new WHERE customer <> ''")
        cursor.execute(receipts_sql.UNLISTED)
        create_categories(cursor, "SELECT DISTINCT category FROM import_unlisted WHERE category <> ''")
        create_products(cursor, "SELECT sku, name, category FROM import_unlisted")
        for statement in receipts_sql.ORIGINALS:
            cursor.execute(statement, params)
        found = find_originals(cursor)
        cursor.execute("SELECT count(*) FROM import_row")
        with filling(cursor, _FILLED, rows=cursor.fetchone()[0], unchecked=_FILLED[:2]):
            for statement in receipts_sql.INSERT:
                cursor.execute(statement, params)
            for table in _FILLED[:2]:
                cursor.execute(f"ANALYZE {table}")  # else the planner still takes them for what they were
            profiles.apply_selected_receipts(query="SELECT id FROM import_new")
        self._settle_points(cursor)
        mark_selected(cursor, receipts_sql.AFFECTED)
        cursor.execute(receipts_sql.COUNT)
        created, unchanged, refused, without_receipt = cursor.fetchone()
        return Counts(
            created=created,
            unchanged=unchanged,
            refused=refused,
            extra={"returns_without_receipt": without_receipt, **({"returns_matched": found} if found else {})},
        )

    def _settle_points(self, cursor: Any) -> None:
        """Tiers that the file's customers reached, and points of sales taken back (only claimed ones have any)."""
        loyalty.award_tiers(today=shop_day(self.now), query=receipts_sql.AFFECTED)
        cursor.execute(receipts_sql.RETURNS_OF_EARNED)
        taken_back = cursor.fetchall()
        receipts = Receipt.objects.in_bulk([pk for pair in taken_back for pk in pair])
        for sale, cause in taken_back:
            returned.settle_points(sale=receipts[sale], cause=receipts[cause], by=None, now=self.now)


def _in_parts(positions: dict[str, int]) -> tuple[list[str], list[str]]:
    """The file's columns that say something of the receipt, and those of its line, amounts aside."""
    return [name for name in positions if name in _HEAD], [name for name in positions if name in _OF_A_LINE]


def _line(positions: dict[str, int]) -> tuple[list[int], Callable[[tuple[str, ...]], str]]:
    """Where the cells are that hold a row's amounts, and what reads them; columns that the file lacks are blank."""
    present = [field for field in amounts.FIELDS if field in positions]

    def read(values: tuple[str, ...]) -> str:
        return amounts.line_amounts(**dict(zip(present, values, strict=True)))

    return [positions[field] for field in present], remembered(read)
