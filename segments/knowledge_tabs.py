"""The pages of ready-made knowledge about customers, as a row of links that each of them shows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Tab:
    """``order`` says where it stands, from the left."""

    url_name: str
    label: "StrOrPromise"
    order: int


_tabs: dict[str, Tab] = {}


def register(url_name: str, label: "StrOrPromise", *, order: int) -> None:
    """Add a page that whoever may see segments may see."""
    _tabs[url_name] = Tab(url_name, label, order)


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The links, the present page's marked."""
    segments = reverse("admin:segments_segment_changelist")
    shown = [(reverse(tab.url_name), tab.label) for tab in sorted(_tabs.values(), key=lambda tab: tab.order)]
    pages = [{"link": link, "label": label, "is_here": request.path.startswith(link)} for link, label in shown]
    return [{"link": segments, "label": _("Segments"), "is_here": request.path == segments}, *pages]
