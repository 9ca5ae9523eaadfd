"""Where postcodes lie, from a file with one row each: what distances are measured from."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import marks
from crm.importing.cells import BadCell, Parser, remembered, text
from crm.importing.columns import Column
from crm.importing.customers_more import map_columns
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, copy_computed
from crm.text import postcode_keys

_KEYS = "CREATE TEMP TABLE import_keys (row integer, key text) ON COMMIT DROP"
_TARGET = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, new.postcode, keys.key AS postcode_key, coalesce(nullif(new.country, ''), %(country)s) AS country,
           new.latitude, new.longitude, known.id,
           (known.latitude, known.longitude) IS DISTINCT FROM (new.latitude, new.longitude) AS is_changed,
           min(new.row) OVER (PARTITION BY keys.key, coalesce(nullif(new.country, ''), %(country)s)) AS first
      FROM import_row AS new
      JOIN import_keys AS keys ON keys.row = new.row
      LEFT JOIN crm_postcodeplace AS known
             ON known.postcode_key = keys.key AND known.country = coalesce(nullif(new.country, ''), %(country)s)
"""
_REFUSE = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, postcode,
           CASE WHEN latitude IS NULL OR longitude IS NULL THEN %(nowhere)s
                WHEN postcode_key = '' THEN %(no_code)s ELSE replace(%(again)s, '{row}', first::text) END
      FROM import_target WHERE latitude IS NULL OR longitude IS NULL OR postcode_key = '' OR row > first
"""
_DROP_TARGETS = "DELETE FROM import_target AS target USING import_problem AS problem WHERE problem.row = target.row"
_SHOW_CREATED = """
    SELECT row, jsonb_build_object('postcode', postcode, 'country', country, 'latitude', latitude,
                                   'longitude', longitude)
      FROM import_target WHERE id IS NULL ORDER BY row
"""
_SHOW_UPDATED = """
    SELECT row, target.postcode, jsonb_build_object('latitude', known.latitude, 'longitude', known.longitude),
           jsonb_build_object('latitude', target.latitude, 'longitude', target.longitude)
      FROM import_target AS target JOIN crm_postcodeplace AS known ON known.id = target.id WHERE is_changed ORDER BY row
"""
_WRITE = (
    """
    UPDATE crm_postcodeplace AS place SET latitude = target.latitude, longitude = target.longitude
      FROM import_target AS target WHERE place.id = target.id AND target.is_changed
    """,
    """
    INSERT INTO crm_postcodeplace (country, postcode, postcode_key, latitude, longitude)
    SELECT country, postcode, postcode_key, latitude, longitude FROM import_target WHERE id IS NULL ORDER BY row
    """,
)
_COUNT = """
    SELECT count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE id IS NOT NULL AND is_changed),
           count(*) FILTER (WHERE id IS NOT NULL AND NOT is_changed), (SELECT count(*) FROM import_problem)
      FROM import_target
"""


class PlaceImporter(Importer):
    kind = "places"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column(
                "postcode",
                text(20, required=True),
                required=True,
                label=gettext_lazy("postcode"),
                synonyms="zip; zip code; postal code; post code; plz; postleitzahl; индекс; почтовый индекс; cap; "
                "codice postale; postinumero; póstnúmer; code postal; pasta indekss",
            ),
            Column(
                "country",
                _country(),
                label=gettext_lazy("country"),
                synonyms="country code; iso; land; ländercode; страна; код страны; paese; codice paese; maa; land kóði",
            ),
            *map_columns(required=True),
        )

    def params(self) -> dict[str, Any]:
        return {
            "country": settings.COUNTRY.upper(),
            "again": _("postcode: row {row} already says where this is."),
            "nowhere": _("latitude, longitude: one of them is missing."),
            "no_code": _("postcode: has neither letters nor digits."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        cursor.execute(_KEYS)
        copy_computed(
            cursor,
            "SELECT row, postcode FROM import_row",
            into="import_keys",
            compute=lambda row, postcode: (row, postcode_keys(postcode)[0]),
        )
        for statement in (_TARGET, _REFUSE, _DROP_TARGETS, DROP_REFUSED):
            cursor.execute(statement, params)
        self.show(cursor, _SHOW_CREATED, _SHOW_UPDATED)
        for statement in _WRITE:
            cursor.execute(statement)
        cursor.execute(_COUNT)
        counts = Counts(*cursor.fetchone())
        if counts.created or counts.updated:
            marks.mark_all()  # of everybody who lives there the distance may be another
        return counts


def _country() -> Parser:
    @remembered
    def parse(cell: str) -> str:
        value = cell.strip().upper()
        if value and not (len(value) == 2 and value.isascii() and value.isalpha()):
            raise BadCell(_("write a country with the two letters of its ISO code, like LV."))
        return value

    return parse
