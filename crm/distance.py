"""How far customers live from a store, as the crow flies.

A customer's own point counts where it is known (latitude and longitude, from an import, the API or their page); else
the place of their postcode, where somebody has imported the places; else the distance is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Case, Exists, Expression, F, FloatField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import ASin, Coalesce, Cos, NullIf, Power, Radians, Sin, Sqrt, Upper
from django.utils.translation import gettext_lazy as _

from crm import conditions
from crm.attributes import Attribute, Filter, Group, Predicate, Scope, Type
from crm.models import PostcodePlace, Store
from crm.sources import Timeless

EARTH_KM = 6371.0088
_OWN_POINT = Q(latitude__isnull=False, longitude__isnull=False)


def kilometres(latitude: Combinable, longitude: Combinable, store_id: int) -> Combinable:
    """From the store to a point, by the haversine formula; NULL where either is unknown."""
    store = Store.objects.order_by().filter(pk=store_id)
    south, west = (Subquery(store.values(name)[:1], output_field=FloatField()) for name in ("latitude", "longitude"))
    half = Value(0.5, output_field=FloatField())
    two = Value(2.0, output_field=FloatField())
    chord = Power(Sin(Radians(latitude - south) * half), two) + (
        Cos(Radians(south)) * Cos(Radians(latitude)) * Power(Sin(Radians(longitude - west) * half), two)
    )
    # The opposite side of the earth may come out a hair above 1, of which there is no arc sine. LEAST would hide NULL.
    one = Value(1.0, output_field=FloatField())
    safe = Case(When(Q(conditions.test(chord, ">", 1.0)), then=one), default=chord, output_field=FloatField())
    return ASin(Sqrt(safe)) * Value(2 * EARTH_KM, output_field=FloatField())


def places_of_customer() -> "QuerySet[PostcodePlace]":
    """The place of the outer customer's postcode: a blank country is the shop's own."""
    country = Upper(Coalesce(NullIf(OuterRef("country"), Value("")), Value(settings.COUNTRY)))
    return PostcodePlace.objects.order_by().filter(postcode_key=OuterRef("postcode_key"), country=country)


@dataclass(frozen=True)
class DistanceFrom(Timeless):
    """Kilometres between a customer and a store."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        own = self._of_point(scope, filters)
        asked = "known" if operator == "unknown" else operator
        by_place = places_of_customer().filter(conditions.test(own, asked, value))
        if operator == "unknown":
            return (_OWN_POINT & conditions.test(own, "unknown", None)) | (~_OWN_POINT & Q(~Exists(by_place)))
        return (_OWN_POINT & conditions.test(own, operator, value)) | (~_OWN_POINT & Q(Exists(by_place)))

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        place = places_of_customer().annotate(km=self._of_point(scope, filters)).values("km")[:1]
        return Case(
            When(_OWN_POINT, then=self._of_point(scope, filters)),
            default=Subquery(place, output_field=FloatField()),
            output_field=FloatField(),
        )

    def _of_point(self, scope: Scope, filters: Mapping[Filter, Any]) -> Combinable:
        store_id = scope.references[Filter.STORE, filters[Filter.STORE]]
        return kilometres(F("latitude"), F("longitude"), store_id)


DISTANCE = Attribute(
    name="distance",
    label=_("distance"),
    help=_(
        "From a store, as the crow flies: to the customer's own point or that of their postcode. Unknown where neither "
        "is known, or the store's is not."
    ),
    group=Group.GEOGRAPHIC,
    type=Type.NUMBER,
    unit=_("km"),
    source=DistanceFrom(),
    argument=Filter.STORE,
    minimum=0,
    maximum=21_000,
    whole=False,
)
