"""Products from a file with one row each."""

from typing import Any

from django.utils.translation import gettext as _

from crm import profiles
from crm.importing import cells
from crm.importing.bulk import filling
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import (
    DROP_REFUSED,
    REFUSE_AGAIN,
    copy_computed,
    create_categories,
    mark_selected,
)
from crm.products import search_text

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
_SHOWN = """
    jsonb_build_object('name', {0}.name, 'brand', {0}.brand, 'barcode', {0}.barcode,
                       'price', trim_scale({0}.price_minor / 100.0)::text,
                       'category', (SELECT path FROM crm_category WHERE id = {0}.category_id))
"""
_SHOW_CREATED = f"""
    SELECT row, jsonb_build_object('sku', sku) || {_SHOWN.format("target")}
      FROM import_target AS target WHERE id IS NULL ORDER BY row
"""
_SHOW_UPDATED = f"""
    SELECT row, target.sku, {_SHOWN.format("known")}, {_SHOWN.format("target")}
      FROM import_target AS target JOIN crm_product AS known ON known.id = target.id ORDER BY row
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


SKU = (
    "article; article no; article number; item; item no; item number; item code; item id; product id; product code; "
    "product no; stock code; stockcode; code; plu; variant sku; lineitem sku; custom sku; line item sku; system id; upc sku; "
    "artikelnummer; artikel-nr; art.-nr.; artikel; артикул; код товара; товар код; номенклатура код; codice; "
    "codice articolo; codice prodotto; articolo; tuotekoodi; tuotenumero; tuotetunnus; vörunúmer; vörunr; "
    "référence; código; artikula numurs; product sku; asin"
)
PRODUCT = (
    "product; product name; item name; article name; description; product description; item description; title; "
    "lineitem name; line item name; produkt; produktname; bezeichnung; artikelbezeichnung; название; наименование; "
    "товар; наименование товара; номенклатура; nome prodotto; prodotto; descrizione; descrizione articolo; tuote; "
    "tuotenimi; tuotteen nimi; kuvaus; vara; vöruheiti; heiti; lýsing; vörulýsing; produit; producto; prece; "
    "product title; name"
)
CATEGORY = (
    "categories; product categories; product category; category path; category name; product type; type; department; group; product group; item group; "
    "aisle; kategorie; warengruppe; artikelgruppe; категория; группа товаров; товарная группа; раздел; categoria; "
    "categorie; reparto; gruppo merceologico; kategoria; tuoteryhmä; tuotekategoria; osasto; flokkur; vöruflokkur; "
    "catégorie; categoría; kategorija; categories; product categories; collection"
)
PRICE = (
    "price; unit price; unitprice; price each; item price; item cost; lineitem price; line item price; variant price; regular price; "
    "default price; sales price; retail price; preis; einzelpreis; verkaufspreis; vk-preis; stückpreis; цена; "
    "цена за единицу; цена за шт; розничная цена; prezzo; prezzo unitario; prezzo di vendita; hinta; yksikköhinta; "
    "kappalehinta; à-hinta; myyntihinta; verð; einingarverð; söluverð; prix; prix unitaire; precio; precio unitario; "
    "cena; rrp; price incl tax; price including tax"
)


class ProductImporter(Importer):
    """A product that moves to another category takes its past sales along, so its buyers' categories are recounted."""

    kind = "products"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column("sku", text(100, required=True), required=True, label=_("SKU"), synonyms=SKU),
            Column("name", text(300), label=_("name"), synonyms=PRODUCT),
            Column("category", cells.category(), label=_("category"), synonyms=CATEGORY),
            Column(
                "brand",
                text(200),
                label=_("brand"),
                synonyms="vendor; manufacturer; maker; supplier; marke; hersteller; бренд; марка; производитель; marca; "
                "produttore; merkki; tuotemerkki; valmistaja; brändi; vörumerki; framleiðandi; marque; zīmols",
            ),
            Column("price", cells.price(), "bigint", holds="number", label=_("price"), synonyms=PRICE),
            Column(
                "barcode",
                text(50),
                holds="barcode",
                label=_("barcode"),
                synonyms="ean; ean13; ean-13; gtin; upc; variant barcode; strichcode; штрихкод; штрих-код; "
                "codice a barre; barcode ean; viivakoodi; ean-koodi; strikamerki; code barres; svītrkods; isbn; "
                "gtin upc ean or isbn",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("sku: row {row} already describes this product."),
            "barcode": _("barcode: this is another product's barcode."),
            "nameless": _("name: is missing, and the product is new."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        refusals = (REFUSE_AGAIN.format(key="sku"), _REFUSE_BARCODE, _REFUSE_NAMELESS)
        for statement in refusals:
            cursor.execute(statement, params)
            cursor.execute(DROP_REFUSED)
        create_categories(cursor, "SELECT DISTINCT category FROM import_row WHERE category <> ''")
        for statement in (_TARGET, _SAME, _FOUND):
            cursor.execute(statement, params)
        self.show(cursor, _SHOW_CREATED, _SHOW_UPDATED)
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
