"""Customers from a file with one row each. A blank cell leaves what is known; nothing turns a newer no into a yes."""

from typing import Any

from django.utils.translation import gettext as _

from crm import custom_fields, profiles
from crm.customers import derived_keys
from crm.importing import customers_sql as sql
from crm.importing import erased
from crm.importing.columns import Column
from crm.importing.customers_columns import customer_columns
from crm.importing.customers_known import CUSTOMERS
from crm.importing.merged_sql import absorb
from crm.importing.merging import Counts, Importer
from crm.importing.shop import copy_computed, mark_selected


class CustomerImporter(Importer):
    kind = "customers"
    comparison = CUSTOMERS

    def make_columns(self) -> tuple[Column, ...]:
        return customer_columns(zone=self.zone, now=self.now)

    def staging_columns(self) -> dict[str, str]:
        return {**super().staging_columns(), "custom": "jsonb NOT NULL DEFAULT '{}'"}

    def params(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "again": _("customer_id: row {row} already says who this is."),
            "erased": _("customer_id: this person asked to be forgotten."),
            "other_card": _("card_number: this is another customer's card."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        if fields := custom_fields.fields():
            statement, slugs = sql.gather_custom(fields)
            cursor.execute(statement, slugs)
        self._refuse(cursor, params)
        for statement in (*sql.REFERENCES, *sql.TARGET):
            cursor.execute(statement, params)
        self.show(cursor, sql.SHOW_CREATED, sql.SHOW_UPDATED)
        self.show_statements(cursor, sql.SHOW_CARDS)
        cursor.execute(sql.KEYS_TABLE)
        copy_computed(cursor, sql.KEYS_WANTED, into="import_keys", compute=_keys)
        for statement in (*sql.KEYS_ARE_COMPLETE, *sql.WRITE):
            cursor.execute(statement, params)
        profiles.lock_selected(query=sql.STATING)
        for statement in sql.CONSENTS:
            cursor.execute(statement, params)
        self.show_statements(cursor, sql.SHOW_STATED)
        profiles.recount_ledgers(customers=sql.STATED)
        mark_selected(cursor, sql.CHANGED)
        cursor.execute(sql.COUNT)
        created, updated, unchanged, refused, kept = cursor.fetchone()
        return Counts(created, updated, unchanged, refused, {"withdrawals_kept": kept})

    def _refuse(self, cursor: Any, params: dict[str, Any]) -> None:
        for statement in sql.REFUSE_AGAIN:
            cursor.execute(statement, params)
        erased.refuse_people(cursor, reason=params["erased"])
        for statement in sql.REFUSE:
            cursor.execute(statement, params)
        absorb(cursor)


def _keys(customer_id: int, number: str, *fields: str) -> tuple[Any, ...]:
    return customer_id, *derived_keys(number=number, **dict(zip(sql.KEYED, fields, strict=True))).values()
