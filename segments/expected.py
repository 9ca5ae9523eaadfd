"""The model of expected value that is in force, and why there may be none. (:mod:`segments.value` makes it.)"""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from crm.days import shop_day
from segments.models import ValueModel

LEAST_BUYERS = 200
LEAST_REPEATERS = 50
BINS = 8
"""Of the calibration plot: customers by how often they came back, the last with everybody above."""


def in_force() -> ValueModel | None:
    """The newest model; None before any was made."""
    return ValueModel.objects.order_by("-pk").first()


def due(*, now: datetime) -> bool:
    """Whether the model is of another day than today."""
    newest = in_force()
    return newest is None or newest.made_on < shop_day(now)


def why_not(result: dict[str, Any]) -> str:
    """In words why nobody is told an expected value; blank where they are."""
    match result.get("why_not"):
        case "few":
            return _(
                "Too little is known yet: it takes %(buyers)d customers whose first purchase is known, %(repeaters)d "
                "of whom came back, and time to compare the forecast with."
            ) % {"buyers": LEAST_BUYERS, "repeaters": LEAST_REPEATERS}
        case "no better":
            return _("On this shop's own past the forecast was no better than simply carrying on as before.")
        case "not fitted":
            return _("The purchases of this shop fit no such model.")
    return ""
