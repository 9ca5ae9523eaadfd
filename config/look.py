"""The look of the back office (django-unfold): our name, mark and colours. Its sidebar: campaigns/navigation.py."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _


def _mark(request: HttpRequest) -> str:
    return static("brand/mark.svg")


def _stylesheet(request: HttpRequest) -> str:
    return static("css/backoffice.css")


# One accent, pine; greys with a trace of it. Lightness steps keep text on both grounds above WCAG AA.
_GREYS = {
    50: "98.3% .004 165",
    100: "96.2% .005 165",
    200: "92% .007 165",
    300: "86.3% .009 165",
    400: "70.5% .013 165",
    500: "53.5% .015 166",
    600: "43.5% .015 167",
    700: "36.5% .015 168",
    800: "27.6% .014 169",
    900: "21.2% .013 170",
    950: "15.5% .011 170",
}
_PINE = {
    50: "97.6% .012 176",
    100: "94.2% .028 176",
    200: "88.5% .052 176",
    300: "81% .08 175",
    400: "73.5% .1 174",
    500: "66% .105 173",
    600: "45% .079 175",
    700: "40% .07 176",
    800: "34.5% .059 177",
    900: "29% .047 178",
    950: "22% .035 180",
}


def _scale(steps: dict[int, str]) -> dict[str, str]:
    return {str(step): f"oklch({value})" for step, value in steps.items()}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Regulars",
    "SITE_HEADER": "Regulars",
    "SITE_SUBHEADER": _("Back office"),
    "SITE_URL": None,  # the till is in the sidebar, for those who may ring up sales
    "SITE_ICON": {"light": _mark, "dark": _mark},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _mark}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "COLORS": {"base": _scale(_GREYS), "primary": _scale(_PINE)},
    "STYLES": [_stylesheet],
    "DASHBOARD_CALLBACK": "campaigns.home.home",
    "SIDEBAR": {"navigation": "campaigns.navigation.sidebar"},
    "ACCOUNT": {"navigation": "campaigns.navigation.account"},
}
