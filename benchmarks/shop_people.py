"""Stores, goods and customers of the generated shop: made inside PostgreSQL, from one draw a customer."""

from typing import Any

# One row a customer: everything below is read off these draws, each of its own, so that nothing hangs together by
# accident. `place` falls off as cities do, `bracket` as incomes do.
DRAWS = """
CREATE TEMPORARY TABLE draw AS
SELECT id, random() AS birth, random() AS gender, random() AS place, random() AS income, random() AS home,
       random() AS family, random() AS children, random() AS tongue, random() AS interest, random() AS tag,
       random() AS channel, random() AS joined, random() AS came, random() AS post, random() AS consent,
       random() AS closed
  FROM generate_series(1, %(customers)s) AS id
"""

# Search by name has a benchmark and customers of its own: these are found by nobody, so their search keys stay empty.
CUSTOMERS = """
INSERT INTO crm_customer (id, number, first_name, last_name, email, email_key, birth_date, gender, language, city,
                          country, postcode, postcode_key, income_band, housing, household_size, family_situation,
                          children, interests, tags, preferred_channel, source, goal, registered_at, no_profiling,
                          created_at)
SELECT id, 'C' || lpad(id::text, 8, '0'),
       (ARRAY['Anna', 'Boris', 'Carmen', 'David', 'Elena', 'Farid', 'Grace', 'Hiro'])[1 + id %% 8], 'Customer ' || id,
       CASE WHEN tongue < 0.75 THEN 'c' || id || '@example.org' ELSE '' END,
       CASE WHEN tongue < 0.75 THEN 'c' || id || '@example.org' ELSE '' END,
       CASE WHEN birth < 0.6 THEN %(today)s::date - (18 * 365 + (birth / 0.6) ^ 1.2 * 60 * 365)::int END,
       CASE WHEN gender < 0.40 THEN 'female' WHEN gender < 0.7 THEN 'male' WHEN gender < 0.71 THEN 'other' ELSE '' END,
       (ARRAY['lv', 'lv', 'lv', 'ru', 'en'])[1 + (tongue * 5)::int %% 5],
       CASE WHEN place < 0.8 THEN 'City ' || lpad((50 * (place / 0.8) ^ 3)::int::text, 2, '0') ELSE '' END,
       'LV',
       CASE WHEN post < 0.7 THEN 'LV-' || (1001 + (3000 * (post / 0.7) ^ 2)::int) ELSE '' END,
       CASE WHEN post < 0.7 THEN 'LV' || (1001 + (3000 * (post / 0.7) ^ 2)::int) ELSE '' END,
       CASE WHEN income < 0.05 THEN '100K+' WHEN income < 0.13 THEN '75-99K' WHEN income < 0.22 THEN '50-74K'
            WHEN income < 0.33 THEN '35-49K' WHEN income < 0.4 THEN 'Under 35K' ELSE '' END,
       CASE WHEN home < 0.2 THEN 'owner' WHEN home < 0.35 THEN 'renter' ELSE '' END,
       CASE WHEN home < 0.35 THEN 1 + (home * 100)::int %% 5 END,
       CASE WHEN family < 0.15 THEN 'married' WHEN family < 0.25 THEN 'single' ELSE '' END,
       CASE WHEN children < 0.3 THEN (children * 100)::int %% 4 END,
       CASE WHEN interest < 0.2 THEN ARRAY[(ARRAY['garden', 'cooking', 'sports', 'travel', 'books', 'music'])
                                           [1 + (interest * 1000)::int %% 6]] ELSE '{}' END,
       CASE WHEN tag < 0.03 THEN ARRAY['club', 'vip'] WHEN tag < 0.12 THEN ARRAY['club'] ELSE '{}' END,
       CASE WHEN channel < 0.2 THEN 'email' WHEN channel < 0.28 THEN 'sms' WHEN channel < 0.31 THEN 'post' ELSE '' END,
       CASE WHEN came < 0.3 THEN 'newsletter' WHEN came < 0.5 THEN 'till' WHEN came < 0.6 THEN 'import' ELSE '' END,
       CASE WHEN came < 0.15 THEN 'discount' WHEN came > 0.9 THEN 'purchase' ELSE '' END,
       CASE WHEN joined < 0.85 THEN %(now)s - make_interval(days => (joined * 1000)::int) END,
       closed < 0.003,
       %(now)s - make_interval(days => (joined * 1000)::int)
  FROM draw
"""

MERGED_EVERY = 250
# One record in so many went up in the one before it, as in any shop that has looked for duplicates.
MERGED = f"UPDATE crm_customer SET merged_into_id = id - 1 WHERE id % {MERGED_EVERY} = 0"

CONSENTS = """
INSERT INTO crm_consent (customer_id, channel, purpose, granted, stated_at, source)
SELECT id, 'email', 'marketing', true, %(now)s - make_interval(days => 30 + (joined * 900)::int), 'till'
  FROM draw WHERE consent < 0.5
UNION ALL
SELECT id, 'sms', 'marketing', true, %(now)s - make_interval(days => 30 + (joined * 900)::int), 'form'
  FROM draw WHERE consent < 0.2
UNION ALL
SELECT id, 'email', 'marketing', false, %(now)s - make_interval(days => (joined * 30)::int), 'unsubscribe'
  FROM draw WHERE consent < 0.05
"""

POINTS = """
INSERT INTO crm_loyaltyentry (customer_id, kind, points, key, recorded_at)
SELECT id, 'gift', 1 + (joined * 500)::int, 'welcome:' || id, %(now)s - make_interval(days => (joined * 900)::int)
  FROM draw WHERE joined < 0.85
"""

STORES = """
INSERT INTO crm_store (id, code, name, city, is_active)
SELECT id, CASE WHEN id = 1 THEN 'web' ELSE 'store-' || id END, CASE WHEN id = 1 THEN 'Web' ELSE 'Store ' || id END,
       'City ' || lpad((id - 1)::text, 2, '0'), true
  FROM generate_series(1, %(stores)s) AS id
"""

# Three levels: departments (D1), groups (D1 > G3) and shelves (D1 > G3 > S2), each with five below it.
CATEGORIES = """
WITH tree (id, parent_id, name, path) AS (
    SELECT d, NULL::int, 'D' || d, 'D' || d FROM generate_series(1, %(departments)s) AS d
    UNION ALL
    SELECT %(departments)s + g, (g - 1) / 5 + 1, 'G' || g, 'D' || (g - 1) / 5 + 1 || ' > G' || g
      FROM generate_series(1, 5 * %(departments)s) AS g
    UNION ALL
    SELECT 6 * %(departments)s + s, %(departments)s + (s - 1) / 5 + 1, 'S' || s,
           'D' || (s - 1) / 25 + 1 || ' > G' || (s - 1) / 5 + 1 || ' > S' || s
      FROM generate_series(1, 25 * %(departments)s) AS s
)
INSERT INTO crm_category (id, parent_id, name, path) SELECT id, parent_id, name, path FROM tree ORDER BY id
"""

PRODUCTS = """
INSERT INTO crm_product (id, sku, name, search_text, category_id, brand, price_minor, barcode, is_active)
SELECT id, 'P' || lpad(id::text, 6, '0'), 'Product ' || id, 'product ' || id,
       6 * %(departments)s + shelf, 'Brand ' || id %% 97, price, '', true
  FROM unnest(%(shelves)s::int[], %(prices)s::int[]) WITH ORDINALITY AS made (shelf, price, id)
"""

_SERIALS = ("crm_customer", "crm_store", "crm_category", "crm_product", "crm_receipt", "crm_receiptline")


def write(cursor: Any, facts: dict[str, Any], *, seed: int) -> None:
    """Everything but what is bought: ``facts`` names the sizes, the moment, and each product's shelf and price."""
    cursor.execute("SELECT setseed(%s)", [seed % 1000 / 1000])
    for statement in (STORES, CATEGORIES, PRODUCTS, DRAWS, CUSTOMERS, CONSENTS, POINTS):
        cursor.execute(statement, facts)
    cursor.execute(MERGED)
    cursor.execute("DROP TABLE draw")


def raise_serials(cursor: Any) -> None:
    """The next row that the program adds gets an id of its own."""
    for table in _SERIALS:
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
