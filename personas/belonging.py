"""``in persona "X"``: asking whether somebody is like a persona."""

from collections.abc import Collection, Iterable, Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.attributes import Attribute, Group, Named, NameLookup, Type, register
from personas.models import Persona
from segments.belonging import Belongs
from segments.models import Segment
from segments.references import bearing


def _find(words: Collection[str]) -> Iterable[Named]:
    """A persona means the segment that it owns."""
    return [
        Named(
            id=one.segment_id,
            key=one.name,
            refused="" if one.is_active else _("The persona “%(name)s” is not in use.") % {"name": one.name},
        )
        for one in bearing(Persona.objects.order_by("name"), words, "name")
    ]


def _keys(ids: Collection[int]) -> Mapping[int, str]:
    return dict(Persona.objects.order_by().filter(segment__in=ids).values_list("segment_id", "name"))


def _offers(text: str, limit: int) -> Iterable[Named]:
    rows = Persona.objects.filter(is_active=True, name__icontains=text).select_related("segment").order_by("name")
    return [Named(id=one.segment_id, key=one.name, count=one.segment.members_count) for one in rows[:limit]]


PERSONA = Attribute(
    name="persona",
    label=gettext_lazy("persona"),
    help=gettext_lazy("Whoever is like one of the people the shop has in mind."),
    group=Group.GROUPS,
    type=Type.MEMBER,
    source=Belongs("persona", (Segment.Kind.PERSONA,)),
    names=NameLookup(noun=gettext_lazy("persona"), find=_find, keys=_keys, offers=_offers),
    always_known=True,
)


def register_all() -> None:
    register(PERSONA)
