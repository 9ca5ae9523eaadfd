"""Households and companies from files with one row each."""

from typing import Any

from django.utils.translation import gettext as _

from crm.importing import cells
from crm.importing.cells import text
from crm.importing.columns import Column
from crm.importing.merging import Counts, Importer
from crm.importing.shop import DROP_REFUSED, REFUSE_AGAIN, mark_selected

_REFUSE_STRANGER = """
    INSERT INTO import_problem (row, key, reason)
    SELECT row, {key}, %(stranger)s
      FROM import_row AS new
     WHERE decision_maker <> ''
       AND NOT EXISTS (SELECT FROM crm_customer AS customer
                        WHERE customer.number = new.decision_maker AND customer.merged_into_id IS NULL
                          AND customer.erased_at IS NULL)
"""
_HOUSEHOLDS = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, new.household_id AS number, known.id,
           coalesce(customer.id, known.decision_maker_id) AS decision_maker_id,
           known.id IS NOT NULL AND known.decision_maker_id IS DISTINCT FROM
               coalesce(customer.id, known.decision_maker_id) AS is_changed
      FROM import_row AS new
      LEFT JOIN crm_household AS known ON known.number = new.household_id
      LEFT JOIN crm_customer AS customer ON customer.number = nullif(new.decision_maker, '')
"""
_SHOWN_HOUSEHOLD = """
    jsonb_build_object('decision_maker', (SELECT number FROM crm_customer WHERE id = {0}.decision_maker_id))
"""
_SHOW_HOUSEHOLDS = (
    f"""
    SELECT row, jsonb_build_object('household_id', number) || {_SHOWN_HOUSEHOLD.format("target")}
      FROM import_target AS target WHERE id IS NULL ORDER BY row
    """,
    f"""
    SELECT row, target.number, {_SHOWN_HOUSEHOLD.format("known")}, {_SHOWN_HOUSEHOLD.format("target")}
      FROM import_target AS target JOIN crm_household AS known ON known.id = target.id WHERE is_changed ORDER BY row
    """,
)
_WRITE_HOUSEHOLDS = (
    """
    UPDATE crm_household AS household SET decision_maker_id = target.decision_maker_id
      FROM import_target AS target WHERE household.id = target.id AND target.is_changed
    """,
    """
    INSERT INTO crm_household (number, decision_maker_id)
    SELECT number, decision_maker_id FROM import_target WHERE id IS NULL ORDER BY number
    """,
)
# Whose answer may change: who decides from now on, who did before, and who buys for a company of which more is known.
_DECIDERS = """
    SELECT decision_maker_id FROM import_target
     WHERE (id IS NULL OR is_changed) AND decision_maker_id IS NOT NULL
    UNION
    SELECT known.decision_maker_id FROM import_target AS target JOIN {table} AS known ON known.id = target.id
     WHERE target.is_changed AND known.decision_maker_id IS NOT NULL
"""
_CONTACTS = """
    SELECT customer.id FROM import_target AS target JOIN crm_customer AS customer ON customer.company_id = target.id
     WHERE target.is_changed
"""
_COUNT = """
    SELECT count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE is_changed),
           count(*) FILTER (WHERE id IS NOT NULL AND NOT is_changed), (SELECT count(*) FROM import_problem)
      FROM import_target
"""


class HouseholdImporter(Importer):
    """Households and who decides in them; who lives there is said by the customers' own ``household_id``."""

    kind = "households"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column(
                "household_id",
                text(100, required=True),
                required=True,
                label=_("household number"),
                synonyms="household; household no; household key; id; haushalt; haushaltsnummer; семья; номер семьи; "
                "nucleo familiare; famiglia; kotitalous; talous; heimilisnúmer; fjölskyldunúmer",
            ),
            Column(
                "decision_maker",
                text(100),
                label=_("decision maker"),
                synonyms="head; head of household; main contact; entscheider; haushaltsvorstand; глава семьи; "
                "кто решает; capofamiglia; päättäjä; ákvörðunaraðili",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("household_id: row {row} already describes this household."),
            "stranger": _("decision_maker: no customer has this number."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in (REFUSE_AGAIN.format(key="household_id"), _REFUSE_STRANGER.format(key="household_id")):
            cursor.execute(statement, params)
            cursor.execute(DROP_REFUSED)
        cursor.execute(_HOUSEHOLDS, params)
        self.show(cursor, *_SHOW_HOUSEHOLDS)
        mark_selected(cursor, _DECIDERS.format(table="crm_household"))
        for statement in _WRITE_HOUSEHOLDS:
            cursor.execute(statement, params)
        cursor.execute(_COUNT)
        return Counts(*cursor.fetchone())


_COMPANIES = """
    CREATE TEMP TABLE import_target ON COMMIT DROP AS
    SELECT new.row, new.company AS name, known.id, coalesce(nullif(new.industry, ''), known.industry, '') AS industry,
           coalesce(new.employees, known.employees) AS employees,
           coalesce(customer.id, known.decision_maker_id) AS decision_maker_id, false AS is_changed
      FROM import_row AS new
      LEFT JOIN crm_company AS known ON known.name = new.company
      LEFT JOIN crm_customer AS customer ON customer.number = nullif(new.decision_maker, '')
"""
_COMPARE_COMPANIES = """
    UPDATE import_target AS target SET is_changed = true
      FROM crm_company AS known
     WHERE known.id = target.id AND (known.industry, known.employees, known.decision_maker_id)
           IS DISTINCT FROM (target.industry, target.employees, target.decision_maker_id)
"""
_SHOWN_COMPANY = """
    jsonb_build_object('industry', {0}.industry, 'employees', {0}.employees, 'decision_maker',
                       (SELECT number FROM crm_customer WHERE id = {0}.decision_maker_id))
"""
_SHOW_COMPANIES = (
    f"""
    SELECT row, jsonb_build_object('company', name) || {_SHOWN_COMPANY.format("target")}
      FROM import_target AS target WHERE id IS NULL ORDER BY row
    """,
    f"""
    SELECT row, target.name, {_SHOWN_COMPANY.format("known")}, {_SHOWN_COMPANY.format("target")}
      FROM import_target AS target JOIN crm_company AS known ON known.id = target.id WHERE is_changed ORDER BY row
    """,
)
_WRITE_COMPANIES = (
    """
    UPDATE crm_company AS company
       SET industry = target.industry, employees = target.employees, decision_maker_id = target.decision_maker_id
      FROM import_target AS target WHERE company.id = target.id AND target.is_changed
    """,
    """
    INSERT INTO crm_company (name, industry, employees, decision_maker_id)
    SELECT name, industry, employees, decision_maker_id FROM import_target WHERE id IS NULL ORDER BY name
    """,
)


class CompanyImporter(Importer):
    """Business customers; who works there is said by the customers' own ``company``."""

    kind = "companies"

    def make_columns(self) -> tuple[Column, ...]:
        return (
            Column(
                "company",
                text(200, required=True),
                required=True,
                label=_("company"),
                synonyms="name; company name; organisation; organization; account name; business; firma; unternehmen; "
                "firmenname; компания; организация; фирма; azienda; società; ditta; ragione sociale; yritys; yhtiö; "
                "yrityksen nimi; organisaatio; fyrirtæki; félag; entreprise; société; empresa; uzņēmums",
            ),
            Column(
                "industry",
                text(200),
                label=_("industry"),
                synonyms="sector; branch; branche; отрасль; сфера деятельности; settore; toimiala; ala; atvinnugrein",
            ),
            Column(
                "employees",
                cells.whole(10_000_000),
                "integer",
                holds="whole",
                label=_("employees"),
                synonyms="size; number of employees; headcount; mitarbeiter; anzahl mitarbeiter; сотрудников; "
                "число сотрудников; dipendenti; numero dipendenti; henkilöstö; työntekijät; starfsmenn; "
                "fjöldi starfsmanna",
            ),
            Column(
                "decision_maker",
                text(100),
                label=_("decision maker"),
                synonyms="main contact; entscheider; ansprechpartner; кто решает; контактное лицо; referente; päättäjä; "
                "yhteyshenkilö; ákvörðunaraðili; tengiliður",
            ),
        )

    def params(self) -> dict[str, Any]:
        return {
            "again": _("company: row {row} already describes this company."),
            "stranger": _("decision_maker: no customer has this number."),
        }

    def merge(self, cursor: Any) -> Counts:
        params = self.params()
        for statement in (REFUSE_AGAIN.format(key="company"), _REFUSE_STRANGER.format(key="company")):
            cursor.execute(statement, params)
            cursor.execute(DROP_REFUSED)
        for statement in (_COMPANIES, _COMPARE_COMPANIES):
            cursor.execute(statement, params)
        self.show(cursor, *_SHOW_COMPANIES)
        mark_selected(cursor, f"{_DECIDERS.format(table='crm_company')} UNION {_CONTACTS}")
        for statement in _WRITE_COMPANIES:
            cursor.execute(statement, params)
        cursor.execute(_COUNT)
        return Counts(*cursor.fetchone())
