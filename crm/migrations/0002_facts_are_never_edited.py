"""Promise 1: the database itself refuses to edit or delete a fact.

Only a fact's link to its customer may change. Erasure, which strips identity everywhere, announces itself with
``SET LOCAL regulars.erasing = 'on'``. The triggers name columns, so that inserts (COPY too) cost nothing.
"""

from django.db import migrations

FACTS = {
    "crm_receipt": (
        "id, source, external_id, kind, channel, client_key, content_hash, store_id, returns_id, sold_at, sold_on, recorded_at, "
        "payment, total_minor, discount_minor"
    ),
    "crm_receiptline": (
        "id, receipt_id, position, product_id, sold_on, is_return, quantity, unit_price, discount_minor, total_minor, returns_line_id"
    ),
    "crm_receiptvoid": "receipt_id, reason, voided_at",
    "crm_loyaltyentry": "id, card_id, receipt_id, kind, points, key, shares, recorded_at",
    "crm_consent": "id, customer_id, channel, purpose, granted, stated_at, recorded_at, source, wording, wording_version_id, form_id, proof",
    "crm_tieraward": "id, tier_id, reached_on, ends_on, recorded_at",
    "crm_auditentry": "id, happened_at, action, what, customer_id, count, username, address, detail",
}

FUNCTION = """
CREATE FUNCTION regulars_refuse_fact_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('regulars.erasing', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'Facts are never edited: % on % refused. Reverse it with a new row.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""


def _guard(table: str, columns: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER facts_are_never_edited BEFORE UPDATE OF {columns} OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION regulars_refuse_fact_change()",
        f"DROP TRIGGER facts_are_never_edited ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("crm", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION regulars_refuse_fact_change()"),
        *(_guard(table, columns) for table, columns in FACTS.items()),
    ]
