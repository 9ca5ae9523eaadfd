"""The demo's stores: published numbers, synthetic names."""

from django.db import connection

from campaigns.demo.people import PLACES

OPEN = 40
"""So many of the busiest stores are open today; the others have receipts of the past only."""


def name_stores() -> None:
    """Name the stores by places and streets, busiest first, and keep open those that a till would choose from."""
    streets = ("Market Square", "Station Road", "Mill Lane", "High Street")
    names = [(city, f"{city}, {street}") for street in streets for city, *_ in PLACES]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE crm_store AS store
               SET name = coalesce(place.name, 'Store ' || store.code), city = coalesce(place.city, ''),
                   is_active = place.name IS NOT NULL
              FROM (SELECT store_id, row_number() OVER (ORDER BY count(*) DESC, store_id) AS rank
                      FROM crm_receipt GROUP BY store_id) AS ranked
              LEFT JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY AS place (city, name, rank) USING (rank)
             WHERE store.id = ranked.store_id
            """,
            [[city for city, _ in names[:OPEN]], [name for _, name in names[:OPEN]]],
        )
