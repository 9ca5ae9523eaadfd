"""Products and households from files with one row each."""

from typing import Any

from django.utils.translation import gettext as _

from crm import profiles
from crm.importing import cells
from crm.importing.bulk import filling
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import copy_computed, create_categories, mark_selected
from crm.products import search_text

_REFUSE_AGAIN = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, {key}, replace(%(again)s, '{{row}}', first::text)
      FROM (SELECT row, {key}, min(row) OVER (PARTITION BY {key}) AS first FROM import_row) AS numbered
     WHERE row > first
"""
_DROP_REFUSED = "DELETE FROM import_row AS line USING import_problem AS problem WHERE problem.row = line.row"

_REFUSE_BARCODE = """
    INSERT INTO import_problem (row, key, reason)
    SELECT new.row, new.sku, %(barcode)s
      FROM (SELECT row, sku, barcode, min(row) OVER (PARTITION BY barcode) AS first
              FROM import_row WHERE barcode <> '') AS new
      LEFT JOIN crm_product AS owner ON owner.barcode = new.barcode
     WHERE (owner.id IS NULL AND new.row > new.first) OR owner.sku <> new.sku
"""
_REFUSE_NAMELESS = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, sku, %(nameless)s
      FROM import_row AS new
     WHERE name = '' AND NOT EXISTS (SELECT FROM crm_product WHERE sku = new.sku)
"""

_TARGET = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, new.sku, known.id, coalesce(nullif(new.name, ''), known.name) AS name,
           coalesce(category.id, known.category_id) AS category_id,
           coalesce(nullif(new.brand, ''), known.brand, '') AS brand,
           coalesce(new.price, known.price_minor) AS price_minor,
           coalesce(nullif(new.barcode, ''), known.barcode, '') AS barcode,
           known.category_id IS DISTINCT FROM coalesce(category.id, known.category_id) AS moves
      FROM import_row AS new
      LEFT JOIN crm_product AS known ON known.sku = new.sku
      LEFT JOIN crm_category AS category ON category.path = nullif(new.category, '')
"""
_SAME = """
    DELETE FROM import_target AS target USING crm_product AS known
     WHERE known.id = target.id
       AND (known.name, known.category_id, known.brand, known.price_minor, known.barcode)
           IS NOT DISTINCT FROM (target.name, target.category_id, target.brand, target.price_minor, target.barcode)
"""
_FOUND = "CREATE TEMP TABLE import_found (row integer, search_text text) ON COMMIT DROP"
_UPDATE = """
    UPDATE crm_product AS product
       SET name = target.name, search_text = found.search_text, category_id = target.category_id, brand = target.brand,
           price_minor = target.price_minor, barcode = target.barcode
      FROM import_target AS target JOIN import_found AS found ON found.row = target.row
     WHERE product.id = target.id
"""
_INSERT = """
    INSERT INTO crm_product (sku, name, search_text, category_id, brand, price_minor, barcode, is_active)
    SELECT target.sku, target.name, found.search_text, target.category_id, target.brand, target.price_minor,
           target.barcode, true
      FROM import_target AS target JOIN import_found AS found ON found.row = target.row
     WHERE target.id IS NULL
     ORDER BY target.row
"""
# As profiles.hold_products does, and in the same order, before it is asked who bought what moves.
_HOLD = """
    SELECT FROM crm_product WHERE id IN (SELECT id FROM import_target) ORDER BY id FOR NO KEY UPDATE
"""
_BUYERS = """
    SELECT DISTINCT line.customer_id
      FROM crm_receiptline AS line JOIN import_target AS target ON target.id = line.product_id
     WHERE target.moves AND line.customer_id IS NOT NULL
"""
_COUNT = """
    SELECT count(*) FILTER (WHERE id IS NULL), count(id), (SELECT count(*) FROM import_row) - count(*),
           (SELECT count(*) FROM import_problem)
      FROM import_target
"""


class ProductImporter(Importer):
    """A product that moves to another category takes its past sales along, so its buyers' categories are recounted."""

    kind = "products"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column("sku", text(100, required=True), required=True),
            Column("name", text(300)),
            Column("category", cells.category()),
            Column("brand", text(200)),
            Column("price", cells.price(), "bigint"),
            Column("barcode", text(50)),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("sku: row {row} already describes this product."),
            "barcode": _("barcode: this is another product's barcode."),
            "nameless": _("name: is missing, and the product is new."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        refusals = (_REFUSE_AGAIN.format(key="sku"), _REFUSE_BARCODE, _REFUSE_NAMELESS)
        for statement in refusals:
            cursor.execute(statement, params)
            cursor.execute(_DROP_REFUSED)
        create_categories(cursor, "SELECT DISTINCT category FROM import_row WHERE category <> ''")
        for statement in (_TARGET, _SAME, _FOUND):
            cursor.execute(statement, params)
        copy_computed(
            cursor,
            "SELECT row, sku, name, brand FROM import_target",
            into="import_found",
            compute=lambda row, sku, name, brand: (row, search_text(name=name, sku=sku, brand=brand)),
        )
        for statement in (_HOLD, _UPDATE, "SELECT count(*) FROM import_target WHERE id IS NULL"):
            cursor.execute(statement, params)
        with filling(cursor, ["crm_product"], rows=cursor.fetchone()[0]):
            cursor.execute(_INSERT, params)
        cursor.execute(_BUYERS)
        if buyers := [customer_id for (customer_id,) in cursor.fetchall()]:
            profiles.recount(customer_ids=buyers)
            mark_selected(cursor, _BUYERS)
        cursor.execute(_COUNT)
        return Counts(*cursor.fetchone())


_REFUSE_STRANGER = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, household_id, %(stranger)s
      FROM import_row AS new
     WHERE decision_maker <> ''
       AND NOT EXISTS (SELECT FROM crm_customer AS customer
                        WHERE customer.number = new.decision_maker AND customer.merged_into_id IS NULL
                          AND customer.erased_at IS NULL)
"""
_HOUSEHOLDS = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.household_id AS number, known.id, coalesce(customer.id, known.decision_maker_id) AS decision_maker_id,
           known.id IS NOT NULL AND known.decision_maker_id IS DISTINCT FROM
               coalesce(customer.id, known.decision_maker_id) AS is_changed
      FROM import_row AS new
      LEFT JOIN crm_household AS known ON known.number = new.household_id
      LEFT JOIN crm_customer AS customer ON customer.number = nullif(new.decision_maker, '')
"""
_WRITE_HOUSEHOLDS = (
    """
    UPDATE crm_household AS household SET decision_maker_id = target.decision_maker_id
      FROM import_target AS target WHERE household.id = target.id AND target.is_changed
    """,
    """
    INSERT INTO crm_household (number, decision_maker_id)
    SELECT number, decision_maker_id FROM import_target WHERE id IS NULL ORDER BY number
    """,
)
_COUNT_HOUSEHOLDS = """
    SELECT count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE is_changed),
           count(*) FILTER (WHERE id IS NOT NULL AND NOT is_changed), (SELECT count(*) FROM import_problem)
      FROM import_target
"""


class HouseholdImporter(Importer):
    """Households and who decides in them; who lives there is said by the customers' own ``household_id``."""

    kind = "households"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column("household_id", text(100, required=True), required=True),
            Column("decision_maker", text(100)),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("household_id: row {row} already describes this household."),
            "stranger": _("decision_maker: no customer has this number."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in (_REFUSE_AGAIN.format(key="household_id"), _REFUSE_STRANGER):
            cursor.execute(statement, params)
            cursor.execute(_DROP_REFUSED)
        for statement in (_HOUSEHOLDS, *_WRITE_HOUSEHOLDS):
            cursor.execute(statement, params)
        cursor.execute(_COUNT_HOUSEHOLDS)
        return Counts(*cursor.fetchone())
