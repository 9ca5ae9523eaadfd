"""Consents from a file, one statement a row: who, for which channel and purpose, yes or no, when, through what.

Statements are only added to the ledger, where the newest counts; so an older one changes nothing that is known later. A
yes by somebody who ever said no needs its date and its source; else the no stays. A no by address alone is the
address's: all who bear it get it, and the address is suppressed.
"""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import addresses, consents, profiles
from crm.importing import cells
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.customers_columns import address
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, copy_computed, mark_selected
from crm.models import Channel, Purpose

_KEYS = "CREATE TEMP TABLE import_keys (row integer, email_key text, address_hash bytea) ON COMMIT DROP"
_TARGET = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, coalesce(customer.merged_into_id, customer.id) AS id, customer.number, new.channel,
           coalesce(nullif(new.purpose, ''), 'marketing') AS purpose, new.granted, new.stated_at, new.source, new.wording, false AS counts
      FROM import_row AS new
      JOIN crm_customer AS customer ON customer.number = new.customer_id
     WHERE new.customer_id <> '' AND customer.erased_at IS NULL
    UNION ALL
    SELECT new.row, customer.id, customer.number, new.channel, coalesce(nullif(new.purpose, ''), 'marketing'),
           new.granted, new.stated_at, new.source, new.wording, false
      FROM import_row AS new
      JOIN import_keys AS keys ON keys.row = new.row
      JOIN crm_customer AS customer ON customer.email_key = keys.email_key
     WHERE new.customer_id = '' AND customer.merged_into_id IS NULL AND customer.erased_at IS NULL
"""
_REFUSE = """
    INSERT INTO import_problem (row, key, reason)
    SELECT new.row, new.customer_id,
           CASE WHEN new.granted IS NULL THEN %(no_answer)s
                WHEN new.customer_id = '' AND new.email = '' THEN %(nobody)s
                WHEN (new.channel = '') <> (new.purpose = 'sensitive') THEN %(no_channel)s
                WHEN found.people IS NULL AND new.customer_id <> '' THEN %(stranger)s
                WHEN found.people IS NULL THEN %(unknown_address)s
                ELSE %(several)s END
      FROM import_row AS new
      LEFT JOIN (SELECT row, count(*) AS people FROM import_target GROUP BY row) AS found ON found.row = new.row
     WHERE new.granted IS NULL OR (new.customer_id = '' AND new.email = '')
        OR (new.channel = '') <> (new.purpose = 'sensitive')
        OR (found.people IS NULL AND (new.granted OR new.customer_id <> '' OR new.channel <> 'email'))
        OR (found.people > 1 AND new.granted)
"""
_DROP_TARGETS = "DELETE FROM import_target AS target USING import_problem AS problem WHERE problem.row = target.row"

# What was said in the name of a record that was merged away counts for the survivor.
_SAID = """
    SELECT coalesce(customer.merged_into_id, consent.customer_id) AS id, consent.channel, consent.purpose,
           consent.granted, consent.stated_at, consent.id AS consent_id
      FROM crm_consent AS consent
      JOIN crm_customer AS customer ON customer.id = consent.customer_id
     WHERE consent.customer_id IN (SELECT id FROM import_target)
        OR customer.merged_into_id IN (SELECT id FROM import_target)
"""
_KNOWN = f"CREATE TEMP TABLE import_known ON COMMIT DROP AS {_SAID}"
_SAME_QUESTION = "known.id = target.id AND known.channel = target.channel AND known.purpose = target.purpose"
_DECIDE = f"""
    UPDATE import_target AS target SET counts = true
     WHERE CASE WHEN target.stated_at IS NULL
                THEN target.granted IS DISTINCT FROM (SELECT known.granted FROM import_known AS known
                                                       WHERE {_SAME_QUESTION}
                                                       ORDER BY known.stated_at DESC, known.consent_id DESC LIMIT 1)
                ELSE NOT EXISTS (SELECT FROM import_known AS known
                                  WHERE {_SAME_QUESTION} AND known.granted = target.granted
                                    AND known.stated_at = target.stated_at)
           END
       AND (NOT target.granted OR (target.stated_at IS NOT NULL AND target.source <> '')
            OR (NOT EXISTS (SELECT FROM import_known AS known WHERE {_SAME_QUESTION} AND NOT known.granted)
                AND NOT EXISTS (SELECT FROM import_target AS known WHERE {_SAME_QUESTION} AND NOT known.granted)))
"""
_ONCE = """
    DELETE FROM import_target AS target USING import_target AS first
     WHERE first.id = target.id AND first.channel = target.channel AND first.purpose = target.purpose
       AND first.granted = target.granted AND first.stated_at IS NOT DISTINCT FROM target.stated_at
       AND first.row < target.row
"""
_KEPT = f"""
    SELECT count(DISTINCT target.row) FROM import_target AS target
     WHERE target.granted AND NOT target.counts
       AND (target.stated_at IS NULL OR target.source = '')
       AND EXISTS (SELECT FROM import_known AS known WHERE {_SAME_QUESTION} AND NOT known.granted)
"""
_SHOW = f"""
    SELECT target.row, target.number, concat_ws(' ', target.purpose, nullif(target.channel, '')),
           (SELECT known.granted FROM import_known AS known WHERE {_SAME_QUESTION}
             ORDER BY known.stated_at DESC, known.consent_id DESC LIMIT 1), target.granted
      FROM import_target AS target WHERE target.counts ORDER BY target.row
"""
_STATE = """
    INSERT INTO crm_consent (customer_id, channel, purpose, granted, stated_at, source, wording, proof)
    SELECT id, channel, purpose, granted, coalesce(stated_at, %(now)s), coalesce(nullif(source, ''), 'import'), wording,
           jsonb_build_object('file', %(file)s::text, 'row', row)
      FROM import_target WHERE counts ORDER BY id, coalesce(stated_at, %(now)s), row
"""
_SUPPRESS = """
    INSERT INTO crm_suppression (channel, address_hash, reason)
    SELECT DISTINCT 'email', keys.address_hash, 'unsubscribed'
      FROM import_keys AS keys JOIN import_row AS new ON new.row = keys.row
     WHERE new.customer_id = '' AND NOT new.granted AND new.channel = 'email'
       AND coalesce(nullif(new.purpose, ''), 'marketing') = 'marketing'
       AND NOT EXISTS (SELECT FROM crm_consent AS later JOIN crm_customer AS bearer ON bearer.id = later.customer_id
                        WHERE bearer.email_key = keys.email_key AND later.channel = 'email' AND later.granted
                          AND later.purpose = 'marketing' AND later.stated_at > coalesce(new.stated_at, %(now)s))
        ON CONFLICT DO NOTHING RETURNING address_hash
"""
_CHANGED = "SELECT DISTINCT id FROM import_target WHERE counts"
_COUNT = """
    SELECT (SELECT count(DISTINCT row) FROM import_target WHERE counts),
           (SELECT count(*) FROM import_row)
           - (SELECT count(DISTINCT row) FROM import_target WHERE counts),
           (SELECT count(*) FROM import_problem)
"""


class ConsentImporter(Importer):
    """``created`` counts statements that were new."""

    kind = "consents"

    def make_columns(self) -> tuple[Column, ...]:
        return (*_who(), *_what(), *self._how())

    def _how(self) -> tuple[Column, ...]:
        return (
            Column(
                "stated_at",
                cells.moment(self.zone, self.now, consents.MAX_AHEAD),
                "timestamptz",
                holds="time",
                label=gettext_lazy("when"),
                synonyms="date; timestamp; consent date; date of consent; opt-in date; optin time; opt in time; "
                "confirm time; unsub time; unsubscribe time; datum; zeitpunkt; дата; дата согласия; data; data consenso; "
                "päivämäärä; suostumuspäivä; dagsetning; samþykkisdagur; created at",
            ),
            Column(
                "source",
                text(100),
                label=gettext_lazy("source"),
                synonyms="consent source; origin; form; opt-in source; quelle; herkunft; источник; fonte; lähde; uppruni",
            ),
            Column(
                "wording",
                text(500),
                label=gettext_lazy("wording"),
                synonyms="text; consent text; statement; wortlaut; формулировка; текст; testo; sanamuoto; orðalag",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "file": self.file_name,
            "no_answer": _("granted: is missing."),
            "nobody": _("customer_id: is missing, and so is email."),
            "no_channel": _("channel: is missing, or does not fit the purpose."),
            "stranger": _("customer_id: no customer has this number."),
            "unknown_address": _("email: nobody has this address."),
            "several": _("email: several customers have this address; say who agrees with customer_id."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        cursor.execute(_KEYS)
        copy_computed(
            cursor, "SELECT row, email FROM import_row WHERE email <> ''", into="import_keys", compute=_hashed
        )
        cursor.execute("ANALYZE import_keys")
        for statement in (_TARGET, _REFUSE, _DROP_TARGETS, DROP_REFUSED):
            cursor.execute(statement, params)
        profiles.lock_selected(query="SELECT DISTINCT id FROM import_target")
        for statement in (_ONCE, _KNOWN, "ANALYZE import_known", "ANALYZE import_target", _DECIDE):
            cursor.execute(statement, params)
        self.show_statements(cursor, _SHOW)
        cursor.execute(_KEPT)
        kept = cursor.fetchone()[0]
        for statement in (_STATE, _SUPPRESS):
            cursor.execute(statement, params)
        suppressed = cursor.rowcount
        profiles.recount_ledgers(customers=_CHANGED)
        mark_selected(cursor, _CHANGED)
        cursor.execute(_COUNT)
        created, unchanged, refused = cursor.fetchone()
        return Counts(
            created=created,
            unchanged=unchanged,
            refused=refused,
            extra={"withdrawals_kept": kept, "addresses_suppressed": suppressed},
        )


def _who() -> tuple[Column, ...]:
    return (
        Column(
            "customer_id",
            text(100),
            label=gettext_lazy("customer number"),
            synonyms="customer; customer no; client id; member id; kundennummer; kunde; номер клиента; код клиента; "
            "codice cliente; numero cliente; asiakasnumero; viðskiptamannanúmer",
        ),
        Column(
            "email",
            address(320, addresses.clean_email),
            holds="email",
            label=gettext_lazy("e-mail"),
            synonyms="e-mail; mail; email address; e-mail address; e-mail-adresse; электронная почта; эл. почта; почта; "
            "indirizzo email; posta elettronica; sähköposti; sähköpostiosoite; tölvupóstur; netfang; subscriber",
        ),
    )


def _what() -> tuple[Column, ...]:
    return (
        Column(
            "channel",
            cells.choice(Channel.values),
            holds="channel",
            label=gettext_lazy("channel"),
            synonyms="kanal; канал; canale; kanava; leið; medium",
        ),
        Column(
            "purpose",
            cells.choice(Purpose.values),
            label=gettext_lazy("purpose"),
            synonyms="zweck; цель; scopo; finalità; tarkoitus; tilgangur",
        ),
        Column(
            "granted",
            cells.yes_no(),
            "boolean",
            required=True,
            holds="yes_no",
            label=gettext_lazy("allowed"),
            synonyms="consent; answer; status; opt in; opted in; subscribed; erlaubt; einwilligung; zustimmung; согласие; "
            "разрешено; consenso; permesso; suostumus; lupa; samþykki; leyft",
        ),
    )


def _hashed(row: int, email: str) -> tuple[int, str, bytes]:
    key = addresses.email_key(email)
    return row, key, addresses.address_hash(key)
