"""Attributes that are read out of what is kept for other reasons: a word about somebody's work, a no in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, Expression, OuterRef, Q, Value, When
from django.db.models.functions import Lower
from django.db.models.lookups import In
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, Type
from crm.models import Channel, Consent, Purpose
from crm.sources import Timeless

RETIRED_WORDS = (
    *("retired", "retiree", "pensioner", "in retirement"),
    *("rentner", "rentnerin", "pensionär", "im ruhestand"),
    *("пенсионер", "пенсионерка", "на пенсии"),
    *("pensionato", "pensionata", "in pensione"),
    *("eläkeläinen", "eläkkeellä", "eläke"),
    *("eftirlaunaþegi", "á eftirlaunum", "lífeyrisþegi"),
    *("pensionārs", "pensionāre", "pensijā"),
    *("retraité", "retraitée", "jubilado", "jubilada", "pensionerad"),
)
"""What people write under "work pattern" or "occupation" who work no more, in the languages that imports know."""


@dataclass(frozen=True)
class Retired(Timeless):
    """Told by the work pattern, or the occupation; unknown of whoever has neither."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        says_so = self._says_so()
        return says_so if value else (~Q(work_pattern="") | ~Q(occupation="")) & ~says_so

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        return Case(
            When(self._says_so(), then=Value(True)),
            When(~Q(work_pattern="") | ~Q(occupation=""), then=Value(False)),
        )

    def _says_so(self) -> Q:
        words = list(RETIRED_WORDS)
        return Q(In(Lower("work_pattern"), words)) | Q(In(Lower("occupation"), words))


@dataclass(frozen=True)
class Unsubscribed(Timeless):
    """The newest statement about mail is a no. Whoever never said anything has not unsubscribed."""

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        said_no = self._said_no()
        return said_no if value else ~said_no

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression:
        return Case(When(self._said_no(), then=Value(True)), default=Value(False))

    def _said_no(self) -> Q:
        about_mail = Consent.objects.order_by().filter(channel=Channel.EMAIL, purpose=Purpose.MARKETING)
        on_record = Exists(about_mail.filter(customer=OuterRef("pk")))
        before_a_merge = Exists(about_mail.filter(customer__merged_into=OuterRef("pk")))
        return Q(profile__consent_email=False) & (Q(on_record) | Q(before_a_merge))


RETIRED = Attribute(
    name="retired",
    label=_("retirement"),
    help=_("As the work pattern or the occupation says; unknown where neither is known."),
    group=Group.SOCIO_ECONOMIC,
    type=Type.FLAG,
    source=Retired(),
)
UNSUBSCRIBED = Attribute(
    name="unsubscribed",
    label=_("refusal of e-mail"),
    help=_("The last they said about mail is no, in whatever way. Saying nothing is not a no."),
    group=Group.ENGAGEMENT,
    type=Type.FLAG,
    source=Unsubscribed(),
    always_known=True,
)
