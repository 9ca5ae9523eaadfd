"""When a customer's row says nothing new: each cell is blank, or what is known."""

from crm.importing.customers_sql import BLANK_TEXTS, MAYBE, TEXTS, WORDS
from crm.importing.unchanged import Comparison
from crm.models import Channel

_CONSENTS = {f"consent_{channel}": channel for channel in Channel.values}
_AS_TEXT = ("birth_date", "household_size", "children")
"""Written as the database writes them, where they need no converting."""

# Of merged and erased records, and of those in which others went up, a row may mean more than it says.
_COMPARABLE = "known.merged_into_id IS NULL AND known.erased_at IS NULL"
_SURVIVORS = """
    SELECT survivor.number
      FROM crm_customer AS merged JOIN crm_customer AS survivor ON survivor.id = merged.merged_into_id
     WHERE merged.merged_into_id IS NOT NULL
"""


def _join(name: str, cell: str) -> str:
    if name == "household_id":
        return "LEFT JOIN crm_household AS household ON household.id = known.household_id"
    if name == "company":
        return "LEFT JOIN crm_company AS company ON company.id = known.company_id"
    return f"LEFT JOIN crm_loyaltycard AS card ON card.number = {cell}" if name == "card_number" else ""


def _condition(name: str, cell: str, meaning: str | None) -> str | None:
    if name in _CONSENTS:
        return f"{meaning} IS NULL OR {meaning} = ({_NEWEST.format(_CONSENTS[name])})"
    if name == "consent_date":
        return "true"  # when it was said once more
    if name in WORDS:
        return f"""{meaning} = '{{}}' OR {meaning} = known."{name}" """
    if name in MAYBE:
        return f"""{meaning} IS NULL OR {meaning} = known."{name}" """ if meaning else _same_text(cell, name)
    if name in BLANK_TEXTS:
        return f"""{meaning or cell} = known."{name}" OR {meaning or cell} = '' """
    if meaning:
        return None
    return {
        "household_id": f"{cell} = household.number OR {cell} = ''",
        "company": f"{cell} = company.name OR {cell} = ''",
        "card_number": f"card.customer_id = known.id OR {cell} = ''",
        "consent_source": f"length({cell}) <= 100",
    }.get(name)


def _same_text(cell: str, name: str) -> str:
    return f"""{cell} = known."{name}"::text OR {cell} = ''"""


_NEWEST = """
    SELECT consent.granted FROM crm_consent AS consent
     WHERE consent.customer_id = known.id AND consent.channel = '{}' AND consent.purpose = 'marketing'
     ORDER BY consent.stated_at DESC, consent.id DESC LIMIT 1
"""

CUSTOMERS = Comparison(
    known="crm_customer AS known",
    key="known.number",
    comparable=_COMPARABLE,
    aside=_SURVIVORS,
    condition=_condition,
    join=_join,
    as_written=frozenset(
        {*TEXTS, *_AS_TEXT, "email", "phone", "gender", "preferred_channel"}
        | {"household_id", "company", "card_number", "consent_source"}
    ),
)
