"""Balances of points from a file, one row a member, as of a day: what is missing to them is added as an adjustment.

The ledger up to that moment is compared, so the same file again finds nothing missing, whatever was earned since.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import profiles
from crm.importing import cells
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, mark_selected
from crm.loyalty import MOST_POINTS

_BEARERS = """
    CREATE TEMP TABLE import_bearer ON COMMIT DROP AS
    SELECT new.row, new.member, new.customer_id, new.card_number, named.id AS named_id,
           named.erased_at IS NULL AS lives, named.merged_into_id IS NOT NULL AS is_merged, card.id AS card_id, card.customer_id AS owner_id,
           coalesce(named.id, card.customer_id) AS id,
           min(new.row) OVER (PARTITION BY coalesce(named.id, card.customer_id)) AS first
      FROM import_row AS new
      LEFT JOIN crm_customer AS named ON named.number = new.customer_id
      LEFT JOIN crm_loyaltycard AS card ON card.number = new.card_number
"""
_REFUSE_BLANK = (
    "INSERT INTO import_problem SELECT row, customer_id, %(no_points)s FROM import_row WHERE points IS NULL",
    DROP_REFUSED,
    "INSERT INTO import_problem SELECT row, customer_id, %(no_date)s FROM import_row WHERE date IS NULL",
    DROP_REFUSED,
)
_REFUSE = (
    "UPDATE import_row SET member = coalesce(nullif(customer_id, ''), card_number)",
    _BEARERS,
    """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, member,
           CASE WHEN customer_id = '' AND card_number = '' THEN %(nobody)s
                WHEN customer_id <> '' AND (named_id IS NULL OR NOT lives) THEN %(stranger)s
                WHEN id IS NULL THEN %(unknown_card)s
                WHEN owner_id <> named_id AND NOT is_merged THEN %(other_card)s
                ELSE replace(%(again)s, '{row}', first::text) END
      FROM import_bearer
     WHERE id IS NULL OR NOT coalesce(lives, true) OR (owner_id <> named_id AND NOT is_merged) OR row > first
    """,
    DROP_REFUSED,
)

# A merged customer's points went to the survivor; what another system still says of the old number says nothing here.
_BALANCES = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, bearer.id, bearer.card_id, customer.number, new.points, new.date,
           new.points - coalesce((SELECT sum(entry.points) FROM crm_loyaltyentry AS entry
                                   WHERE entry.customer_id = bearer.id AND entry.recorded_at <= new.date), 0)
           AS missing
      FROM import_row AS new
      JOIN import_bearer AS bearer ON bearer.row = new.row
      JOIN crm_customer AS customer ON customer.id = bearer.id
     WHERE customer.merged_into_id IS NULL
"""
_ADJUST = """
    INSERT INTO crm_loyaltyentry (customer_id, card_id, kind, points, key, note, recorded_at)
    SELECT id, card_id, 'adjust', missing, 'import:' || md5(concat_ws('|', number, points, date)) || ':' || id,
           %(note)s, date
      FROM import_target WHERE missing <> 0 ORDER BY id
        ON CONFLICT (key) DO NOTHING
"""
_CHANGED = "SELECT id FROM import_target WHERE missing <> 0"
_SHOW = """
    SELECT row, number, jsonb_build_object('points', points - missing), jsonb_build_object('points', points)
      FROM import_target WHERE missing <> 0 ORDER BY row
"""
_COUNT = """
    SELECT (SELECT count(*) FROM import_target WHERE missing <> 0),
           (SELECT count(*) FROM import_row) - (SELECT count(*) FROM import_target WHERE missing <> 0),
           (SELECT count(*) FROM import_problem)
"""


class LoyaltyImporter(Importer):
    """``updated`` counts members whose balance was brought to what the file says."""

    kind = "loyalty"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column(
                "customer_id",
                text(100),
                label=gettext_lazy("customer number"),
                synonyms="customer; customer no; client id; member id; kundennummer; kunde; номер клиента; код клиента; "
                "codice cliente; numero cliente; asiakasnumero; viðskiptamannanúmer",
            ),
            Column(
                "card_number",
                text(50),
                label=gettext_lazy("card number"),
                synonyms="card; card no; loyalty card; loyalty number; member card; number; kundenkarte; kartennummer; "
                "номер карты; карта; бонусная карта; numero carta; tessera; numero tessera; korttinumero; kortti; "
                "kanta-asiakasnumero; kortanúmer; vildarkort",
            ),
            Column(
                "points",
                cells.whole(MOST_POINTS),
                "integer",
                required=True,
                holds="whole",
                label=gettext_lazy("points"),
                synonyms="balance; points balance; loyalty points; bonus points; current points; punkte; punktestand; "
                "bonuspunkte; guthaben; баллы; бонусы; остаток баллов; баланс; punti; saldo; saldo punti; pisteet; "
                "pistesaldo; bonuspisteet; punktar; punktastaða; staða",
            ),
            Column(
                "date",
                cells.moment(self.zone, self.now),
                "timestamptz",
                required=True,
                holds="time",
                label=gettext_lazy("as of"),
                synonyms="as of; balance date; points date; datum; stand; stichtag; stand vom; дата; на дату; data; "
                "data saldo; al; päivämäärä; pvm; dagsetning; þann",
            ),
        )

    def staging_columns(self) -> dict[str, str]:
        return {"member": "text", **super().staging_columns()}

    def params(self) -> dict[str, Any]:
        return {
            "note": _("Balance from a file"),
            "nobody": _("customer_id: is missing, and so is card_number."),
            "stranger": _("customer_id: no customer has this number."),
            "unknown_card": _("card_number: nobody has this card."),
            "other_card": _("card_number: this is another customer's card."),
            "again": _("customer_id: row {row} already says this member's balance."),
            "no_points": _("points: is missing."),
            "no_date": _("date: is missing."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in (*_REFUSE_BLANK, *_REFUSE):
            cursor.execute(statement, params)
        # What somebody earns meanwhile waits: a balance is read, and then adjusted.
        profiles.lock_selected(query="SELECT id FROM import_bearer WHERE id IS NOT NULL")
        cursor.execute(_BALANCES, params)
        self.show(cursor, "SELECT NULL, NULL WHERE false", _SHOW)
        cursor.execute(_ADJUST, params)
        profiles.recount_ledgers(customers=_CHANGED)
        mark_selected(cursor, _CHANGED)
        cursor.execute(_COUNT)
        updated, unchanged, refused = cursor.fetchone()
        return Counts(updated=updated, unchanged=unchanged, refused=refused)
