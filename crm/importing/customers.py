"""Customers from a file with one row each. A blank cell leaves what is known; nothing turns a newer no into a yes."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from crm import addresses, consents, profiles
from crm.customers import derived_keys
from crm.importing import cells, erased
from crm.importing import customers_sql as sql
from crm.importing.cells import BadCell, Parser, remembered, text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import copy_computed, mark_selected
from crm.models import Channel, Gender

_MAYBE_DATE = "date"
_MAYBE_NUMBER = "smallint"
_MAYBE_TIME = "timestamptz"
_MAYBE_YES = "boolean"
_WORDS = "varchar[] NOT NULL DEFAULT '{}'"


class CustomerImporter(Importer):
    kind = "customers"

    def make_columns(self) -> tuple[Column, ...]:
        moment = cells.moment(self.zone, self.now)
        return (
            Column("customer_id", text(100, required=True), required=True),
            *(Column(name, text(limit)) for name, limit in sql.TEXTS.items()),
            Column("email", _address(320, addresses.clean_email)),
            Column("phone", _address(50, addresses.clean_phone)),
            Column("gender", cells.choice(Gender.values)),
            Column("preferred_channel", cells.choice(Channel.values)),
            Column("birth_date", cells.day(self.now), _MAYBE_DATE),
            Column("household_size", cells.whole(50), _MAYBE_NUMBER),
            Column("children", cells.whole(30), _MAYBE_NUMBER),
            Column("registered_at", moment, _MAYBE_TIME),
            *(Column(name, cells.words(), _WORDS) for name in sql.WORDS),
            Column("household_id", text(100)),
            Column("company", text(200)),
            Column("card_number", text(50)),
            *(Column(f"consent_{channel}", cells.yes_no(), _MAYBE_YES) for channel in Channel.values),
            Column("consent_date", cells.moment(self.zone, self.now, consents.MAX_AHEAD), _MAYBE_TIME),
            Column("consent_source", text(100)),
        )

    def params(self) -> dict[str, Any]:
        return {
            "now": self.now,
            "again": _("customer_id: row {row} already says who this is."),
            "erased": _("customer_id: this person asked to be forgotten."),
            "other_card": _("card_number: this is another customer's card."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        self._refuse(cursor, params)
        for statement in (*sql.REFERENCES, *sql.TARGET):
            cursor.execute(statement, params)
        cursor.execute(sql.KEYS_TABLE)
        copy_computed(cursor, sql.KEYS_WANTED, into="import_keys", compute=_keys)
        for statement in sql.WRITE:
            cursor.execute(statement, params)
        profiles.lock_selected(query=sql.STATING)
        for statement in sql.CONSENTS:
            cursor.execute(statement, params)
        profiles.recount_ledgers(query=sql.STATED)
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


def _address(limit: int, check: Callable[[str], str]) -> Parser:
    read = text(limit)

    def parse(cell: str) -> str:
        value = read(cell)
        try:
            check(value)
        except ValidationError as error:
            raise BadCell(" ".join(error.messages)) from None
        return value

    return remembered(parse, limit=1_000)


def _keys(customer_id: int, number: str, *fields: str) -> tuple[Any, ...]:
    return customer_id, *derived_keys(number=number, **dict(zip(sql.KEYED, fields, strict=True))).values()
