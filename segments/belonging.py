"""``in segment "X"``: asking whether somebody is in another segment."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.attributes import Answer, Attribute, Filter, Group, Named, NameLookup, Predicate, Scope, Type, register
from segments.models import Membership, Segment
from segments.references import bearing

NAMED_KINDS = (Segment.Kind.DYNAMIC, Segment.Kind.FROZEN, Segment.Kind.PICKED)


@dataclass(frozen=True)
class Belongs:
    """Membership as it stands. ``attribute`` is the one whose value names the segment; ``kinds`` whom it can name.

    Who evaluates segments keeps their order: what a rule asks for is evaluated before it.
    """

    attribute: str
    kinds: tuple[str, ...]

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        members = Membership.objects.filter(segment=scope.references[self.attribute, value])
        return Exists(members.filter(customer_id=OuterRef("pk")))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Answer:
        """The names of those that the customer is in."""
        mine = Membership.objects.filter(customer_id=OuterRef("pk"), segment__kind__in=self.kinds)
        return ArraySubquery(mine.order_by("segment__name").values("segment__name"))

    def due(
        self, *, scope: Scope, since: Any, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        """Nobody by themselves: whoever is due for the segment asked for is evaluated for all segments."""
        return None


def _find(words: Collection[str]) -> Iterable[Named]:
    rows = bearing(Segment.objects.filter(kind__in=NAMED_KINDS).order_by("name"), words, "name")
    return [Named(id=one.pk, key=one.name, refused=archived(one.name) if one.is_archived else "") for one in rows]


def archived(name: str) -> str:
    """Why no rule may ask for a segment that was put away."""
    return _("The segment “%(name)s” is archived.") % {"name": name}


def _keys(ids: Collection[int]) -> Mapping[int, str]:
    return dict(Segment.objects.order_by().filter(kind__in=NAMED_KINDS, pk__in=ids).values_list("pk", "name"))


def _offers(text: str, limit: int) -> Iterable[Named]:
    rows = Segment.objects.filter(kind__in=NAMED_KINDS, is_archived=False, name__icontains=text)
    return [Named(id=one.pk, key=one.name, count=one.members_count) for one in rows.order_by("name")[:limit]]


SEGMENT = Attribute(
    name="segment",
    label=gettext_lazy("segment"),
    help=gettext_lazy("Whoever is in another segment now, whether it follows a rule or was picked by hand."),
    group=Group.GROUPS,
    type=Type.MEMBER,
    source=Belongs("segment", NAMED_KINDS),
    names=NameLookup(noun=gettext_lazy("segment"), find=_find, keys=_keys, offers=_offers),
    always_known=True,
)


def register_all() -> None:
    register(SEGMENT)
