"""Returns that name no receipt: which sale did they take back?

Shops' exports list a cancelled order or a return by itself. The sale is the latest one before it by the same customer
that holds its lines: same product, unit price and quantity; not what was bought on the same receipt, which is an
exchange. A line of a sale is taken back once. Where there is no such sale, it stays a return without receipt.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

_TAKEN = """
    CREATE TEMP TABLE import_taken ON COMMIT DROP AS
    SELECT new.id AS return_id, new.receipt_id, new.sold_at AS returned_at, customer.id AS customer_id, new.customer,
           line.sku, line.unit_price, -line.quantity AS quantity
      FROM import_new AS new
      JOIN import_customer AS customer ON customer.number = new.customer
      JOIN import_row AS line ON line.receipt_id = new.receipt_id AND line.sign < 0 AND line.quantity < 0
     WHERE new.is_return AND new.returns_id IS NULL AND new.returns_receipt_id IS NULL
"""
_IN_FILE = """
    SELECT new.id AS sale_id, new.receipt_id, new.sold_at, customer.id AS customer_id, line.sku, line.unit_price,
           line.quantity, 0 AS gone
      FROM import_new AS new
      JOIN import_customer AS customer ON customer.number = new.customer
      JOIN import_row AS line ON line.receipt_id = new.receipt_id AND line.sign >= 0
     WHERE NOT new.is_return AND new.customer IN (SELECT customer FROM import_taken)
"""
_RECORDED = """
    SELECT sale.id, NULL, sale.sold_at, line.customer_id, product.sku, line.unit_price, line.quantity,
           (SELECT count(*) FROM crm_receipt AS back JOIN crm_receiptline AS taken ON taken.receipt_id = back.id
             WHERE back.returns_id = sale.id AND taken.product_id = line.product_id
               AND taken.quantity = -line.quantity) AS gone
      FROM crm_receiptline AS line
      JOIN crm_receipt AS sale ON sale.id = line.receipt_id
      JOIN crm_product AS product ON product.id = line.product_id
     WHERE line.customer_id IN (SELECT customer_id FROM import_taken) AND NOT line.is_return
       AND product.sku IN (SELECT sku FROM import_taken)
"""
_PAIRS = f"""
    SELECT taken.return_id, taken.sku, taken.unit_price, taken.quantity, given.sale_id, count(*) - max(given.gone)
      FROM import_taken AS taken
      JOIN ({_IN_FILE} UNION ALL {_RECORDED}) AS given
        ON given.customer_id = taken.customer_id AND given.sku = taken.sku AND given.unit_price = taken.unit_price
       AND given.quantity = taken.quantity AND given.sold_at <= taken.returned_at
       AND given.receipt_id IS DISTINCT FROM taken.receipt_id
     GROUP BY taken.return_id, taken.returned_at, taken.sku, taken.unit_price, taken.quantity, given.sale_id,
              given.sold_at
     ORDER BY taken.returned_at, taken.return_id, given.sold_at DESC, given.sale_id DESC
"""
_WRITE = """
    UPDATE import_new AS new SET returns_id = found.sale_id
      FROM unnest(%s::bigint[], %s::bigint[]) AS found (return_id, sale_id)
     WHERE new.id = found.return_id
"""

_Line = tuple[Any, ...]


def find_originals(cursor: Any) -> int:
    """Fill in ``returns_id`` of the returns in ``import_new`` that name no receipt; how many were found."""
    cursor.execute(_TAKEN)
    cursor.execute("SELECT EXISTS (SELECT FROM import_taken)")
    if not cursor.fetchone()[0]:
        return 0
    cursor.execute("ANALYZE import_taken")
    cursor.execute(_PAIRS)
    found = dict(_chosen(cursor.fetchall()))
    cursor.execute(_WRITE, [list(found), list(found.values())])
    return len(found)


def _chosen(pairs: list[tuple[Any, ...]]) -> Iterator[tuple[int, int]]:
    """Return and sale, in the order of the returns: the sale with most of the lines, of several the latest.

    A line that an earlier return has taken is gone.
    """
    used: Counter[_Line] = Counter()
    by_return: dict[int, dict[int, list[_Line]]] = defaultdict(lambda: defaultdict(list))
    left: dict[_Line, int] = {}
    for return_id, sku, price, quantity, sale_id, count in pairs:
        line = (sale_id, sku, price, quantity)
        left[line] = count
        by_return[return_id][sale_id].append(line)
    for return_id, sales in by_return.items():
        free = {sale_id: [one for one in lines if used[one] < left[one]] for sale_id, lines in sales.items()}
        best = max(free, key=lambda sale_id: len(free[sale_id]))  # the first of several: they come latest first
        if free[best]:
            used.update(free[best])
            yield return_id, best
