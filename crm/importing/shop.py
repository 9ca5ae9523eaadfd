"""What an import creates on its way: stores, categories, products, customers that nobody has named before."""

from collections.abc import Callable
from typing import Any

from crm import marks
from crm.customers import derived_keys
from crm.models import Category
from crm.products import search_text

FETCHED = 5_000

REFUSE_AGAIN = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, {key}, replace(%(again)s, '{{row}}', first::text)
      FROM (SELECT row, {key}, min(row) OVER (PARTITION BY {key}) AS first FROM import_row) AS numbered
     WHERE row > first
"""
DROP_REFUSED = "DELETE FROM import_row AS line USING import_problem AS problem WHERE problem.row = line.row"


def create_stores(cursor: Any, codes: str) -> None:
    """Create the stores that this query of codes names and that are not there yet."""
    cursor.execute(
        f"""
        INSERT INTO crm_store (code, name, city, is_active)
        SELECT code, code, '', true FROM ({codes}) AS new (code)
         WHERE NOT EXISTS (SELECT FROM crm_store AS store WHERE store.code = new.code)
         ORDER BY code
            ON CONFLICT DO NOTHING
        """
    )


def create_categories(cursor: Any, paths: str) -> None:
    """Create the categories that this query of paths names, and those above them, as far as they are missing."""
    cursor.execute(paths)
    levels: dict[int, set[tuple[str, ...]]] = {}
    for (path,) in cursor.fetchall():
        names = tuple(path.split(Category.SEPARATOR))
        for depth in range(1, len(names) + 1):
            levels.setdefault(depth, set()).add(names[:depth])
    for _depth, branches in sorted(levels.items()):
        ordered = sorted(branches)
        cursor.execute(
            """
            INSERT INTO crm_category (name, path, parent_id)
            SELECT new.name, new.path, parent.id
              FROM unnest(%s::text[], %s::text[], %s::text[]) AS new (name, path, above)
              LEFT JOIN crm_category AS parent ON parent.path = new.above
             WHERE NOT EXISTS (SELECT FROM crm_category AS known WHERE known.path = new.path)
                ON CONFLICT DO NOTHING
            """,
            [
                [names[-1] for names in ordered],
                [Category.SEPARATOR.join(names) for names in ordered],
                [Category.SEPARATOR.join(names[:-1]) for names in ordered],
            ],
        )


def create_products(cursor: Any, products: str) -> None:
    """Create products from a query of (SKU, name, category path); their categories must be there already."""
    cursor.execute(
        "CREATE TEMP TABLE import_product (sku text, name text, category text, search_text text) ON COMMIT DROP"
    )
    copy_computed(
        cursor,
        products,
        into="import_product",
        compute=lambda sku, name, category: (sku, name, category, search_text(name=name, sku=sku)),
    )
    cursor.execute(
        """
        INSERT INTO crm_product (sku, name, search_text, category_id, brand, barcode, is_active)
        SELECT new.sku, new.name, new.search_text, category.id, '', '', true
          FROM import_product AS new
          LEFT JOIN crm_category AS category ON category.path = new.category
         ORDER BY new.sku
            ON CONFLICT DO NOTHING
        """
    )


def create_customers(cursor: Any, numbers: str) -> None:
    """Create the customers, known by their number alone, that this query names and that are not there yet."""
    cursor.execute("CREATE TEMP TABLE import_stranger (number text, search_text text, name_key bytea) ON COMMIT DROP")
    copy_computed(
        cursor,
        f"""SELECT number FROM ({numbers}) AS new (number)
             WHERE NOT EXISTS (SELECT FROM crm_customer AS customer WHERE customer.number = new.number)""",
        into="import_stranger",
        compute=_stranger,
    )
    cursor.execute(
        """
        WITH new AS (
            INSERT INTO crm_customer (number, search_text, name_key, source)
            SELECT number, search_text, name_key, 'import' FROM import_stranger ORDER BY number
                ON CONFLICT DO NOTHING RETURNING id
        )
        INSERT INTO crm_customerprofile (customer_id) SELECT id FROM new ORDER BY id
        """
    )


def _stranger(number: str) -> tuple[Any, ...]:
    keys = derived_keys(number=number)
    return number, keys["search_text"], keys["name_key"]


def copy_computed(cursor: Any, query: str, *, into: str, compute: Callable[..., tuple[Any, ...]]) -> None:
    """Copy a query's rows, each through a Python function, into a table; batch by batch, so that memory is flat."""
    cursor.execute(f"DECLARE import_source NO SCROLL CURSOR FOR {query}")
    while True:
        cursor.execute(f"FETCH {FETCHED} FROM import_source")
        if not (rows := cursor.fetchall()):
            break
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(compute(*row))
    cursor.execute("CLOSE import_source")


def mark_selected(cursor: Any, customers: str) -> None:
    """Mark the customers of this query as changed: each, or all with one mark where they are many."""
    cursor.execute(f"SELECT count(*) FROM ({customers}) AS affected")
    if cursor.fetchone()[0] >= marks.MANY:
        marks.mark_all()
    else:
        cursor.execute(customers)
        marks.mark_customers(customer_ids=[customer_id for (customer_id,) in cursor.fetchall()])
