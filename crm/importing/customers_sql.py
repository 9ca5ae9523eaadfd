"""The statements that turn staged rows into customers, in their order. Parameters: now, and the reasons of refusals."""

from collections.abc import Sequence

from crm.customers import DerivedKeys
from crm.models import Channel, CustomField

TEXTS = {
    "first_name": 200,
    "last_name": 200,
    "age_band": 50,
    "language": 10,
    "address": 500,
    "city": 200,
    "region": 200,
    "country": 100,
    "postcode": 20,
    "area_kind": 50,
    "income_band": 50,
    "social_group": 50,
    "housing": 50,
    "occupation": 200,
    "work_pattern": 50,
    "job_title": 200,
    "family_situation": 100,
    "lifestyle": 200,
    "source": 100,
    "goal": 100,
}
WORDS = ("pets", "interests", "opinions", "values", "tags")
KEYED = ("first_name", "last_name", "email", "phone", "postcode", "country")

BLANK_TEXTS = (*TEXTS, "email", "phone", "gender", "preferred_channel")
POINT = ("latitude", "longitude")
MAYBE = ("birth_date", "household_size", "children", "registered_at", "guardian_agreed_on", *POINT)
_FIELDS = tuple(f'"{name}"' for name in (*BLANK_TEXTS, *MAYBE, *WORDS, "custom"))  # "values" is a word of SQL
_WRITTEN = (*_FIELDS, "household_id", "company_id")


def _point(name: str) -> str:
    """Of another postcode without a point of its own it isn't known where that is."""
    moves = "new.postcode <> '' AND new.postcode <> known.postcode AND new.latitude IS NULL AND new.longitude IS NULL"
    return f"CASE WHEN {moves} THEN NULL ELSE coalesce(new.{name}, known.{name}) END AS {name}"


_MERGED = ", ".join(
    [
        *(f"""coalesce(nullif(new."{name}", ''), known."{name}", '') AS "{name}" """ for name in BLANK_TEXTS),
        *(f"""coalesce(new."{name}", known."{name}") AS "{name}" """ for name in MAYBE if name not in POINT),
        *(_point(name) for name in POINT),
        *(f"""coalesce(nullif(new."{name}", '{{}}'), known."{name}", '{{}}') AS "{name}" """ for name in WORDS),
        "coalesce(known.custom, '{}') || new.custom AS custom",
        "coalesce(household.id, known.household_id) AS household_id",
        "coalesce(company.id, known.company_id) AS company_id",
    ]
)


def _says_otherwise(name: str) -> str:
    """Whether the row has something else in this column than what is known; a blank cell says nothing."""
    if name in BLANK_TEXTS:
        return f"""new."{name}" <> '' AND new."{name}" <> known."{name}" """
    if name in WORDS:
        return f"""new."{name}" <> '{{}}' AND new."{name}" <> known."{name}" """
    return f"""new."{name}" IS NOT NULL AND new."{name}" IS DISTINCT FROM known."{name}" """


_DIFFERS = " OR ".join(f"({_says_otherwise(name)})" for name in (*BLANK_TEXTS, *MAYBE, *WORDS))
_DIFFERS += " OR (new.custom <> '{}' AND known.custom || new.custom <> known.custom)"
_DIFFERS += "".join(f" OR {name}.id <> coalesce(known.{name}_id, -1)" for name in ("household", "company"))
_DIFFERS_IN_KEYS = " OR ".join(f"({_says_otherwise(name)})" for name in KEYED)


def gather_custom(fields: Sequence[CustomField]) -> tuple[str, list[str]]:
    """A statement that puts what a row says in the shop's own fields together, and its parameters."""
    parts, said = [], []
    for field in fields:
        column = f'"{field.attribute}"'  # small letters, digits and _ only
        match field.kind:
            case CustomField.Kind.TEXT | CustomField.Kind.CHOICE:
                parts.append(f"%s::text, nullif({column}, '')")
                said.append(f"{column} <> ''")
            case CustomField.Kind.WORDS:
                parts.append(f"%s::text, CASE WHEN {column} <> '{{}}' THEN to_jsonb({column}) END")
                said.append(f"{column} <> '{{}}'")
            case _:
                parts.append(f"%s::text, {column}")
                said.append(f"{column} IS NOT NULL")
    # An object of more than 50 keys is put together from several: a function takes 100 arguments at most.
    objects = (f"jsonb_build_object({', '.join(parts[at : at + 40])})" for at in range(0, len(parts), 40))
    statement = f"UPDATE import_row SET custom = jsonb_strip_nulls({' || '.join(objects)}) WHERE {' OR '.join(said)}"
    return statement, [field.slug for field in fields]


_REFUSE_AGAIN = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, customer_id, replace(%(again)s, '{row}', first::text)
      FROM (SELECT row, customer_id, min(row) OVER (PARTITION BY customer_id) AS first FROM import_row) AS numbered
     WHERE row > first
"""

_REFUSE_ERASED = """
    INSERT INTO import_problem (row, key, reason)
    SELECT new.row, new.customer_id, %(erased)s
      FROM import_row AS new
     WHERE EXISTS (SELECT FROM crm_customer AS customer
                    WHERE customer.number = new.customer_id AND customer.erased_at IS NOT NULL)
"""

_REFUSE_CARD = """
    INSERT INTO import_problem (row, key, reason)
    SELECT new.row, new.customer_id, %(other_card)s
      FROM (SELECT row, customer_id, card_number, min(row) OVER (PARTITION BY card_number) AS first
              FROM import_row WHERE card_number <> '') AS new
      LEFT JOIN crm_loyaltycard AS card ON card.number = new.card_number
      LEFT JOIN crm_customer AS owner ON owner.id = card.customer_id
      LEFT JOIN crm_customer AS named ON named.number = new.customer_id
     WHERE (card.id IS NULL AND new.row > new.first)
        OR (owner.number <> new.customer_id AND named.merged_into_id IS NULL)
"""

_DROP_REFUSED = "DELETE FROM import_row AS line USING import_problem AS problem WHERE problem.row = line.row"

REFUSE_AGAIN = (_REFUSE_AGAIN, _DROP_REFUSED)
REFUSE = (_REFUSE_ERASED, _DROP_REFUSED, _REFUSE_CARD, _DROP_REFUSED)

REFERENCES = (
    """
    INSERT INTO crm_household (number)
    SELECT DISTINCT household_id FROM import_row
     WHERE household_id <> '' AND NOT EXISTS (SELECT FROM crm_household WHERE number = household_id)
     ORDER BY household_id ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO crm_company (name, industry)
    SELECT DISTINCT company, '' FROM import_row
     WHERE company <> '' AND NOT EXISTS (SELECT FROM crm_company WHERE name = company)
     ORDER BY company ON CONFLICT DO NOTHING
    """,
)

# A merged customer's row speaks through the survivor's (merged_sql.py), and for itself no more.
_TARGET = f"""
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT row, coalesce(known_id, nextval(pg_get_serial_sequence('crm_customer', 'id'))) AS id,
           known_id IS NULL AS is_new,
           number, {", ".join(_WRITTEN)}, card_number, consent_date, consent_source,
           {", ".join(f"consent_{channel}" for channel in Channel.values)},
           known_id IS NOT NULL AND coalesce(differs, false) AS is_changed,
           known_id IS NULL OR coalesce(differs_in_keys, false) AS has_other_keys
      FROM (SELECT new.row, known.id AS known_id, new.customer_id AS number, {_MERGED}, new.card_number,
                   new.consent_date, new.consent_source,
                   {", ".join(f"new.consent_{channel}" for channel in Channel.values)},
                   {_DIFFERS} AS differs, {_DIFFERS_IN_KEYS} AS differs_in_keys
              FROM import_row AS new
              LEFT JOIN crm_customer AS known ON known.number = new.customer_id
              LEFT JOIN crm_household AS household ON household.number = nullif(new.household_id, '')
              LEFT JOIN crm_company AS company ON company.name = nullif(new.company, '')
             WHERE known.merged_into_id IS NULL
             ORDER BY new.row) AS merged
"""
TARGET = (_TARGET, "ANALYZE import_target (id, is_new, is_changed, has_other_keys)")

KEYS_TABLE = """
    CREATE TEMP TABLE import_keys (id bigint, email_key text, phone_key text, postcode_key text, name_words text,
                                   search_text text, name_key bytea) ON COMMIT DROP
"""
KEYS_WANTED = f"SELECT id, number, {', '.join(KEYED)} FROM import_target WHERE has_other_keys ORDER BY id"

KEYS_ARE_COMPLETE = ("CREATE UNIQUE INDEX ON import_keys (id)", "ANALYZE import_keys")
"""They are found one by one in the order of the targets: joined in any other way, whole customers would be sorted."""

KEYS = tuple(DerivedKeys.__annotations__)

_UPDATE = f"""
    UPDATE crm_customer AS customer
       SET {", ".join(f"{field} = target.{field}" for field in _WRITTEN)},
           {", ".join(f"{field} = coalesce(keys.{field}, customer.{field})" for field in KEYS)}
      FROM import_target AS target LEFT JOIN import_keys AS keys ON keys.id = target.id
     WHERE customer.id = target.id AND target.is_changed
"""

_INSERT = f"""
    INSERT INTO crm_customer (id, number, {", ".join(_WRITTEN)}, {", ".join(KEYS)})
    SELECT target.id, target.number, {", ".join(f"target.{field}" for field in _WRITTEN)},
           {", ".join(f"keys.{field}" for field in KEYS)}
      FROM import_target AS target JOIN import_keys AS keys ON keys.id = target.id
     WHERE target.is_new
"""

_PROFILES = "INSERT INTO crm_customerprofile (customer_id) SELECT id FROM import_target WHERE is_new ORDER BY id"

_CARDS = """
    WITH new AS (
        INSERT INTO crm_loyaltycard (number, customer_id, issued_at)
        SELECT card_number, id, coalesce(registered_at, %(now)s) FROM import_target AS target
         WHERE card_number <> '' AND NOT EXISTS (SELECT FROM crm_loyaltycard WHERE number = target.card_number)
         ORDER BY card_number
        RETURNING customer_id
    )
    UPDATE import_target SET is_changed = true WHERE id IN (SELECT customer_id FROM new) AND NOT is_new
"""

WRITE = (_UPDATE, _INSERT, _PROFILES, _CARDS)

_ANY_STATEMENT = " OR ".join(f"consent_{channel} IS NOT NULL" for channel in Channel.values)
STATING = f"SELECT id FROM import_target WHERE {_ANY_STATEMENT}"

_NAMED = """
    (SELECT coalesce(jsonb_object_agg('custom_' || key, value), '{{}}') FROM jsonb_each({0}.custom))
    || jsonb_build_object('household_id', (SELECT number FROM crm_household WHERE id = {0}.household_id),
                       'company', (SELECT name FROM crm_company WHERE id = {0}.company_id))
"""
_NOT_SHOWN = "ARRAY['id', 'row', 'custom', 'number', 'is_new', 'is_changed', 'has_other_keys', 'company_id']"
SHOW_CREATED = f"""
    SELECT row, jsonb_build_object('customer_id', number) || (to_jsonb(target) - {_NOT_SHOWN})
           || {_NAMED.format("target")}
      FROM import_target AS target WHERE is_new ORDER BY row
"""
_NOT_COMPARED = (
    "ARRAY['id', 'row', 'custom', 'number', 'is_new', 'is_changed', 'has_other_keys', 'company_id', 'card_number', "
    f"""'consent_date', 'consent_source', {", ".join(f"'consent_{channel}'" for channel in Channel.values)}]"""
)
SHOW_UPDATED = f"""
    SELECT row, target.number, to_jsonb(known) || {_NAMED.format("known")},
           (to_jsonb(target) - {_NOT_COMPARED}) || {_NAMED.format("target")}
      FROM import_target AS target JOIN crm_customer AS known ON known.id = target.id
     WHERE is_changed ORDER BY row
"""
SHOW_CARDS = """
    SELECT row, number, 'card_number', NULL, card_number
      FROM import_target AS target
     WHERE NOT is_new AND card_number <> ''
       AND NOT EXISTS (SELECT FROM crm_loyaltycard WHERE number = target.card_number)
     ORDER BY row
"""
SHOW_STATED = """
    SELECT target.row, target.number, 'consent_' || said.channel, said.known, said.granted
      FROM import_statement AS said JOIN import_target AS target ON target.id = said.id
     WHERE said.counts AND NOT target.is_new
     ORDER BY target.row
"""

# What was said on a record that went up in this one counts, too. A yes over a no needs a later date and its source; an
# older statement than the one that counts says nothing new.
_STATEMENTS = f"""
    CREATE TEMP TABLE import_statement ON COMMIT DROP AS
    SELECT said.id, said.channel, said.granted, current.granted AS known, said.source,
           coalesce(said.stated_at, %(now)s) AS stated_at,
           current.granted IS DISTINCT FROM said.granted
           AND (current.granted IS NULL
                OR coalesce(said.stated_at > current.stated_at, NOT said.granted)
                   AND (NOT said.granted OR said.source <> '')) AS counts,
           coalesce(said.granted AND NOT current.granted, false) AS would_override
      FROM (SELECT target.id, target.consent_date AS stated_at, target.consent_source AS source,
                   one.channel, one.granted
              FROM import_target AS target
              CROSS JOIN LATERAL (VALUES {", ".join(f"('{c}', target.consent_{c})" for c in Channel.values)})
                    AS one (channel, granted)
             WHERE one.granted IS NOT NULL) AS said
      LEFT JOIN LATERAL (
           SELECT granted, stated_at
             FROM ((SELECT consent.granted, consent.stated_at, consent.id
                      FROM crm_consent AS consent
                     WHERE consent.customer_id = said.id AND consent.channel = said.channel
                       AND consent.purpose = 'marketing'
                     ORDER BY consent.stated_at DESC, consent.id DESC LIMIT 1)
                   UNION ALL
                   (SELECT consent.granted, consent.stated_at, consent.id
                      FROM crm_customer AS merged
                      JOIN crm_consent AS consent ON consent.customer_id = merged.id
                     WHERE merged.merged_into_id = said.id AND consent.channel = said.channel
                       AND consent.purpose = 'marketing'
                     ORDER BY consent.stated_at DESC, consent.id DESC LIMIT 1)) AS newest
            ORDER BY stated_at DESC, id DESC LIMIT 1) AS current ON true
"""

_STATE = """
    INSERT INTO crm_consent (customer_id, channel, purpose, granted, stated_at, source)
    SELECT id, channel, 'marketing', granted, stated_at, coalesce(nullif(source, ''), 'import')
      FROM import_statement WHERE counts ORDER BY id, channel
"""

_STATED_CHANGES = """
    UPDATE import_target SET is_changed = true
     WHERE NOT is_new AND id IN (SELECT id FROM import_statement WHERE counts)
"""

CONSENTS = (_STATEMENTS, _STATE, _STATED_CHANGES)
STATED = "SELECT DISTINCT id FROM import_statement WHERE counts"

CHANGED = "SELECT id FROM import_target WHERE is_new OR is_changed"

COUNT = """
    SELECT target.created, target.updated, (SELECT count(*) FROM import_row) - target.created - target.updated,
           (SELECT count(*) FROM import_problem),
           (SELECT count(*) FROM import_statement WHERE would_override AND NOT counts)
      FROM (SELECT count(*) FILTER (WHERE is_new) AS created, count(*) FILTER (WHERE is_changed) AS updated
              FROM import_target) AS target
"""
