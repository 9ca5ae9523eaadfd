"""The statements that turn staged lines into receipts, in their order. Parameters: source, default_store, reasons."""

# As datetime.isoformat() writes it.
_SOLD_AT = """
    to_char(sold_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN date_trunc('second', sold_at) = sold_at THEN '' ELSE to_char(sold_at, '.US') END || '+00:00'
"""

_ZERO_LINES_FOLLOW_THE_RECEIPT = """
    UPDATE import_row AS line SET sign = -1
     WHERE sign = 0
       AND EXISTS (SELECT FROM import_row AS other WHERE other.receipt_id = line.receipt_id AND other.sign = -1)
       AND NOT EXISTS (SELECT FROM import_row AS other WHERE other.receipt_id = line.receipt_id AND other.sign = 1)
"""

# A cell that only some rows of a receipt fill speaks for the others; two different ones are a contradiction.
_SAID_ONCE = ("store", "channel", "customer_id", "card_number", "returns_receipt_id")
_EXTREMES = ", ".join(f"min(nullif({c}, '')) AS {c}, max(nullif({c}, '')) AS {c}_other" for c in _SAID_ONCE)

_RECEIPTS = f"""
    CREATE TEMP TABLE import_receipt ON COMMIT DROP AS
    SELECT receipt_id, sign < 0 AS is_return, min(row) AS first_row, count(*) AS lines, min(sold_on) AS sold_on,
           min(sold_at) AS sold_at, max(sold_at) AS sold_at_other, {_EXTREMES},
           sum(discount_minor)::bigint AS discount_minor, sum(total_minor)::bigint AS total_minor,
           string_agg('[' || to_json(sku) || ',' || content || ']', ',' ORDER BY row) AS content
      FROM import_row
     GROUP BY receipt_id, sign < 0
"""

_HASHES = f"""
    CREATE TEMP TABLE import_hash ON COMMIT DROP AS
    SELECT receipt_id, CASE WHEN is_return THEN 'return' ELSE 'sale' END AS kind,
           sha256(convert_to(
               '["' || CASE WHEN is_return THEN 'return' ELSE 'sale' END || '",'
               || to_json(coalesce(store, %(default_store)s)) || ','
               || to_json(coalesce(customer_id, 'card ' || card_number, '')) || ',"'
               || ({_SOLD_AT}) || '","",[' || content || ']]', 'UTF8')) AS content_hash
      FROM import_receipt
"""

GROUP = (
    _ZERO_LINES_FOLLOW_THE_RECEIPT,
    _RECEIPTS,
    _HASHES,
    "ANALYZE import_receipt",
    "ANALYZE import_hash",
    "CREATE TEMP TABLE import_refused (receipt_id text PRIMARY KEY, row integer, reason text) ON COMMIT DROP",
)

_BAD_ROW = """
    INSERT INTO import_refused
    SELECT DISTINCT ON (key) key, row, reason FROM import_problem WHERE key IS NOT NULL ORDER BY key, row
"""

_DISAGREEMENT = f"""
    INSERT INTO import_refused
    SELECT receipt_id, first_row, fields || ': ' || %(disagree)s
      FROM (SELECT receipt_id, min(first_row) AS first_row,
                   concat_ws(', ', CASE WHEN min(sold_at) <> max(sold_at_other) THEN 'sold_at' END,
                             {", ".join(f"CASE WHEN min({c}) <> max({c}_other) THEN '{c}' END" for c in _SAID_ONCE)})
                   AS fields
              FROM import_receipt GROUP BY receipt_id) AS receipt
     WHERE fields <> ''
        ON CONFLICT DO NOTHING
"""

_TOO_LONG = """
    INSERT INTO import_refused
    SELECT receipt_id, first_row, 'receipt_id: ' || %(too_long)s FROM import_receipt WHERE lines > 32767
        ON CONFLICT DO NOTHING
"""

_UNKNOWN_CARD = """
    INSERT INTO import_refused
    SELECT receipt_id, first_row, 'card_number: ' || %(unknown_card)s
      FROM import_receipt AS receipt
     WHERE customer_id IS NULL AND card_number IS NOT NULL
       AND NOT EXISTS (SELECT FROM crm_loyaltycard AS card WHERE card.number = receipt.card_number)
        ON CONFLICT DO NOTHING
"""

_SOMEBODY_ELSES_CARD = """
    INSERT INTO import_refused
    SELECT receipt_id, first_row, 'card_number: ' || %(other_card)s
      FROM import_receipt AS receipt
      JOIN crm_loyaltycard AS card ON card.number = receipt.card_number
      JOIN crm_customer AS owner ON owner.id = card.customer_id
     WHERE receipt.customer_id <> owner.number
       AND NOT EXISTS (SELECT FROM crm_customer AS merged
                        WHERE merged.number = receipt.customer_id AND merged.merged_into_id IS NOT NULL)
        ON CONFLICT DO NOTHING
"""

_OTHER_CONTENT = """
    INSERT INTO import_refused
    SELECT receipt.receipt_id, min(receipt.first_row), 'receipt_id: ' || %(other_content)s
      FROM import_receipt AS receipt
      JOIN import_hash AS hash ON hash.receipt_id = receipt.receipt_id
      JOIN crm_receipt AS known
        ON known.source = %(source)s AND known.external_id = hash.receipt_id AND known.kind = hash.kind
     WHERE known.content_hash <> hash.content_hash
     GROUP BY receipt.receipt_id
        ON CONFLICT DO NOTHING
"""

REFUSE = (_BAD_ROW, _DISAGREEMENT, _TOO_LONG, _UNKNOWN_CARD, _SOMEBODY_ELSES_CARD, _OTHER_CONTENT)

NEW = """
    CREATE TEMP TABLE import_new ON COMMIT DROP AS
    SELECT nextval(pg_get_serial_sequence('crm_receipt', 'id')) AS id, NULL::bigint AS returns_id, fresh.*
      FROM (SELECT receipt.receipt_id, receipt.is_return, hash.kind, hash.content_hash, receipt.sold_at,
                   receipt.sold_on,
                   coalesce(receipt.store, %(default_store)s) AS store, coalesce(receipt.channel, 'till') AS channel,
                   coalesce(receipt.customer_id, owner.number, '') AS customer, receipt.returns_receipt_id,
                   receipt.discount_minor, receipt.total_minor
              FROM import_receipt AS receipt
              JOIN import_hash AS hash
                ON hash.receipt_id = receipt.receipt_id AND (hash.kind = 'return') = receipt.is_return
              LEFT JOIN crm_loyaltycard AS card ON card.number = receipt.card_number
              LEFT JOIN crm_customer AS owner ON owner.id = card.customer_id
             WHERE NOT EXISTS (SELECT FROM import_refused AS refused WHERE refused.receipt_id = receipt.receipt_id)
               AND NOT EXISTS (SELECT FROM crm_receipt AS known
                                WHERE known.source = %(source)s AND known.external_id = receipt.receipt_id
                                  AND known.kind = hash.kind)
             ORDER BY receipt.sold_at, receipt.first_row) AS fresh
"""

SHOW = """
    SELECT receipt.first_row, jsonb_build_object(
               'receipt_id', new.receipt_id, 'kind', new.kind, 'sold_at', new.sold_at, 'store', new.store,
               'channel', new.channel, 'customer_id', new.customer, 'lines', receipt.lines,
               'total', trim_scale(new.total_minor / 100.0)::text, 'returns_receipt_id', new.returns_receipt_id)
      FROM import_new AS new
      JOIN import_receipt AS receipt ON receipt.receipt_id = new.receipt_id AND receipt.is_return = new.is_return
     ORDER BY receipt.first_row
"""

_NEW_LINES = """
    import_row AS line JOIN import_new AS new ON new.receipt_id = line.receipt_id AND new.is_return = (line.sign < 0)
"""

UNLISTED = f"""
    CREATE TEMP TABLE import_unlisted ON COMMIT DROP AS
    SELECT line.sku,
           coalesce((array_agg(line.product ORDER BY line.row) FILTER (WHERE line.product <> ''))[1], line.sku) AS name,
           coalesce((array_agg(line.category ORDER BY line.row) FILTER (WHERE line.category <> ''))[1], '') AS category
      FROM {_NEW_LINES}
     WHERE NOT EXISTS (SELECT FROM crm_product AS product WHERE product.sku = line.sku)
     GROUP BY line.sku
"""

# A merged customer's receipts go to the survivor, an erased one's to nobody.
_CUSTOMERS = """
    CREATE TEMP TABLE import_customer ON COMMIT DROP AS
    WITH RECURSIVE chain AS (
        SELECT customer.number, customer.id, customer.merged_into_id, customer.erased_at
          FROM crm_customer AS customer
         WHERE customer.number IN (SELECT customer FROM import_new)
        UNION
        SELECT chain.number, customer.id, customer.merged_into_id, customer.erased_at
          FROM chain
          JOIN crm_customer AS customer ON customer.id = chain.merged_into_id
    )
    SELECT number, id FROM chain WHERE merged_into_id IS NULL AND erased_at IS NULL
"""

_RETURNS_OF_KNOWN = """
    UPDATE import_new AS new SET returns_id = original.id
      FROM crm_receipt AS original
     WHERE new.is_return AND original.source = %(source)s AND original.kind = 'sale'
       AND original.external_id = new.returns_receipt_id
"""

# Points follow what comes back of a sale that earned any: nobody else may take it back meanwhile.
_HOLD_ORIGINALS = """
    SELECT FROM crm_receipt
     WHERE id IN (SELECT returns_id FROM import_new)
       AND EXISTS (SELECT FROM crm_loyaltyentry AS entry WHERE entry.receipt_id = crm_receipt.id)
     ORDER BY id
       FOR NO KEY UPDATE
"""

RETURNS_OF_EARNED = """
    SELECT returns_id, max(id) FROM import_new AS new
     WHERE returns_id IS NOT NULL
       AND EXISTS (SELECT FROM crm_loyaltyentry AS entry WHERE entry.receipt_id = new.returns_id)
     GROUP BY returns_id
     ORDER BY returns_id
"""

_RETURNS_OF_NEW = """
    UPDATE import_new AS new SET returns_id = original.id
      FROM import_new AS original
     WHERE new.is_return AND NOT original.is_return AND original.receipt_id = new.returns_receipt_id
"""

_INSERT_RECEIPTS = """
    INSERT INTO crm_receipt (id, source, external_id, kind, channel, content_hash, store_id, customer_id, returns_id,
                             sold_at, sold_on, total_minor, discount_minor)
    SELECT new.id, %(source)s, new.receipt_id, new.kind, new.channel, new.content_hash, store.id, customer.id,
           new.returns_id, new.sold_at, new.sold_on, new.total_minor, new.discount_minor
      FROM import_new AS new
      JOIN crm_store AS store ON store.code = new.store
      LEFT JOIN import_customer AS customer ON customer.number = new.customer
     ORDER BY new.id
"""

_INSERT_LINES = f"""
    INSERT INTO crm_receiptline (receipt_id, position, product_id, customer_id, sold_on, is_return, quantity,
                                 unit_price, discount_minor, total_minor)
    SELECT new.id, row_number() OVER (PARTITION BY new.id ORDER BY line.row), product.id, customer.id, new.sold_on,
           new.is_return, line.quantity, line.unit_price, line.discount_minor, line.total_minor
      FROM {_NEW_LINES}
      JOIN crm_product AS product ON product.sku = line.sku
      LEFT JOIN import_customer AS customer ON customer.number = new.customer
     ORDER BY new.id, line.row
"""

ORIGINALS = (_CUSTOMERS, "ANALYZE import_customer", _RETURNS_OF_KNOWN, _RETURNS_OF_NEW)
INSERT = (_HOLD_ORIGINALS, _INSERT_RECEIPTS, _INSERT_LINES)

COUNT = """
    SELECT (SELECT count(*) FROM import_new),
           (SELECT count(*) FROM import_receipt AS receipt
             WHERE NOT EXISTS (SELECT FROM import_refused AS refused WHERE refused.receipt_id = receipt.receipt_id))
           - (SELECT count(*) FROM import_new),
           (SELECT count(*) FROM import_refused) + (SELECT count(*) FROM import_problem WHERE key IS NULL),
           (SELECT count(*) FROM import_new WHERE is_return AND returns_id IS NULL)
"""

AFFECTED = "SELECT DISTINCT id FROM import_customer"

REFUSED = """
    SELECT row, reason FROM import_problem
    UNION ALL
    SELECT line.row, CASE WHEN refused.row = line.row OR refused.reason LIKE 'receipt_id: %%' THEN refused.reason
                          ELSE replace(replace(%(with_row)s, '{row}', refused.row::text), '{reason}', refused.reason)
                     END
      FROM import_row AS line
      JOIN import_refused AS refused ON refused.receipt_id = line.receipt_id
     ORDER BY 1
"""
