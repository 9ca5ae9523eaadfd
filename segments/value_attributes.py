"""Expected value as attributes of the catalogue. Known only where the model earned it (see :mod:`segments.value`)."""

from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Group, Type, register
from crm.sources import Column

KNOWN = _(
    "As of last night, from how often and how lately they bought. Known only of customers whose first purchase is "
    "known, and only while the forecast proves better on this shop's past than carrying on as before."
)

VALUES = (
    Attribute(
        name="probably_customer",
        label=_("probably still a customer"),
        help=KNOWN,
        group=Group.VALUE,
        type=Type.NUMBER,
        unit=_("%"),
        source=Column("expected__alive"),
        minimum=0,
        maximum=100,
        whole=False,
    ),
    Attribute(
        name="expected_purchases",
        label=_("expected purchases"),
        help=_("Days with a purchase in the months that are forecast (12, unless the shop says otherwise)."),
        group=Group.VALUE,
        type=Type.NUMBER,
        source=Column("expected__purchases"),
        minimum=0,
        whole=False,
    ),
    Attribute(
        name="expected_spend",
        label=_("expected spend"),
        help=_("In the months that are forecast (12, unless the shop says otherwise)."),
        group=Group.VALUE,
        type=Type.MONEY,
        source=Column("expected__spend_minor"),
    ),
)
NAMES = frozenset(one.name for one in VALUES)


def register_all() -> None:
    register(*VALUES)
