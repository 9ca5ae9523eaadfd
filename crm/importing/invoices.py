"""Sales on account from a file, one invoice a row; the same number again says when it was paid."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm import profiles
from crm.importing import cells
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, REFUSE_AGAIN, mark_selected

_TARGET = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, new.invoice, known.id,
           coalesce(customer.merged_into_id, customer.id, known.customer_id) AS customer_id,
           new.customer_id <> '' AND (customer.id IS NULL OR customer.erased_at IS NOT NULL) AS is_stranger,
           coalesce(known.issued_on, new.issued_on) AS issued_on, coalesce(new.due_on, known.due_on) AS due_on,
           coalesce(new.paid_on, known.paid_on) AS paid_on, coalesce(new.amount, known.amount_minor) AS amount_minor,
           (known.due_on, known.paid_on, known.amount_minor) IS DISTINCT FROM
           (coalesce(new.due_on, known.due_on), coalesce(new.paid_on, known.paid_on),
            coalesce(new.amount, known.amount_minor)) AS is_changed
      FROM import_row AS new
      LEFT JOIN crm_invoice AS known ON known.number = new.invoice
      LEFT JOIN crm_customer AS customer ON customer.number = nullif(new.customer_id, '')
"""
_REFUSE = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, invoice,
           CASE WHEN is_stranger THEN %(stranger)s
                WHEN customer_id IS NULL THEN %(nobody)s
                WHEN issued_on IS NULL OR due_on IS NULL THEN %(no_date)s
                WHEN coalesce(amount_minor, 0) <= 0 THEN %(no_amount)s
                ELSE %(order)s END
      FROM import_target
     WHERE is_stranger OR customer_id IS NULL OR issued_on IS NULL OR due_on IS NULL OR coalesce(amount_minor, 0) <= 0
        OR due_on < issued_on OR paid_on < issued_on
"""
_DROP_TARGETS = "DELETE FROM import_target AS target USING import_problem AS problem WHERE problem.row = target.row"
_SHOW_CREATED = """
    SELECT row, jsonb_build_object('invoice', invoice, 'issued_on', issued_on, 'due_on', due_on, 'paid_on', paid_on,
                                   'amount', trim_scale(amount_minor / 100.0)::text)
      FROM import_target WHERE id IS NULL ORDER BY row
"""
_SHOW_UPDATED = """
    SELECT row, target.invoice, jsonb_build_object('due_on', known.due_on, 'paid_on', known.paid_on),
           jsonb_build_object('due_on', target.due_on, 'paid_on', target.paid_on)
      FROM import_target AS target JOIN crm_invoice AS known ON known.id = target.id WHERE is_changed ORDER BY row
"""
_WRITE = (
    """
    UPDATE crm_invoice AS invoice
       SET due_on = target.due_on, paid_on = target.paid_on, amount_minor = target.amount_minor
      FROM import_target AS target WHERE invoice.id = target.id AND target.is_changed
    """,
    """
    INSERT INTO crm_invoice (customer_id, number, issued_on, due_on, paid_on, amount_minor)
    SELECT customer_id, invoice, issued_on, due_on, paid_on, amount_minor
      FROM import_target WHERE id IS NULL ORDER BY row
    """,
)
_CHANGED = """
    SELECT DISTINCT coalesce(known.customer_id, target.customer_id) AS id
      FROM import_target AS target LEFT JOIN crm_invoice AS known ON known.id = target.id
     WHERE target.id IS NULL OR target.is_changed
"""
_COUNT = """
    SELECT count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE id IS NOT NULL AND is_changed),
           count(*) FILTER (WHERE id IS NOT NULL AND NOT is_changed), (SELECT count(*) FROM import_problem)
      FROM import_target
"""


class InvoiceImporter(Importer):
    kind = "invoices"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column(
                "invoice",
                text(100, required=True),
                required=True,
                label=gettext_lazy("invoice number"),
                synonyms="number; invoice no; invoice number; invoice id; rechnung; rechnungsnummer; счёт; "
                "номер счёта; fattura; numero fattura; lasku; laskunumero; reikningur; reikningsnúmer",
            ),
            Column(
                "customer_id",
                text(100),
                label=gettext_lazy("customer number"),
                synonyms="customer; customer no; client id; debtor; kundennummer; kunde; номер клиента; код клиента; "
                "codice cliente; numero cliente; asiakasnumero; viðskiptamannanúmer",
            ),
            _date(
                "issued_on",
                gettext_lazy("issued"),
                "invoice date; date; issue date; datum; дата; data; päivämäärä; dagsetning",
            ),
            _date(
                "due_on", gettext_lazy("due"), "due date; due; payable until; fällig; срок; scadenza; eräpäivä; eindagi"
            ),
            _date(
                "paid_on",
                gettext_lazy("paid"),
                "payment date; paid; paid at; bezahlt; оплачен; pagato; maksettu; greitt",
            ),
            Column(
                "amount",
                cells.price(),
                "bigint",
                holds="number",
                label=gettext_lazy("amount"),
                synonyms="total; sum; balance; betrag; summe; сумма; importo; totale; summa; upphæð",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("invoice: row {row} is already about this invoice."),
            "stranger": _("customer_id: no customer has this number."),
            "nobody": _("customer_id: is missing, and the invoice is new."),
            "no_date": _("issued_on, due_on: one of them is missing, and the invoice is new."),
            "no_amount": _("amount: is missing or not more than nothing."),
            "order": _("due_on, paid_on: lies before the day of the invoice."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in (
            REFUSE_AGAIN.format(key="invoice"),
            DROP_REFUSED,
            _TARGET,
            _REFUSE,
            _DROP_TARGETS,
            DROP_REFUSED,
        ):
            cursor.execute(statement, params)
        profiles.lock_selected(query=_CHANGED)
        self.show(cursor, _SHOW_CREATED, _SHOW_UPDATED)
        mark_selected(cursor, f"SELECT id FROM ({_CHANGED}) AS changed WHERE id IS NOT NULL")
        for statement in _WRITE:
            cursor.execute(statement)
        cursor.execute(_COUNT)
        return Counts(*cursor.fetchone())


def _date(name: str, label: Any, synonyms: str) -> Column:
    return Column(name, cells.any_day(), "date", holds="date", label=label, synonyms=synonyms)
