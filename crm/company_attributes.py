"""The company that a customer buys for, and who decides there and at home."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, Expression, F, Model, OuterRef, Q, Value
from django.db.models.functions import NullIf
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, Type, compare
from crm.models import Company, Household
from crm.sources import Timeless

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class OfCompany(Timeless):
    """A column of the customer's company; unknown without one."""

    column: str
    is_text: bool = True

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        path = f"company__{self.column}"
        known = Q((f"{path}__gt", "")) if self.is_text else Q((f"{path}__isnull", False))
        match operator:
            case "known":
                return known
            case "unknown":
                return Q((f"{path}__isnull", True)) | Q((path, "")) if self.is_text else Q((f"{path}__isnull", True))
            case "starts with":
                return Q((f"{path}__istartswith", value))
            case "contains":
                return Q((f"{path}__icontains", value))
        return known & compare(path, operator, value)

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Expression | F:
        path = F(f"company__{self.column}")
        return NullIf(path, Value("")) if self.is_text else path


@dataclass(frozen=True)
class Decides(Timeless):
    """Whether somebody decides for a company, or a household."""

    model: type[Model]

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        decides = self.value(scope=scope, filters=filters)
        return decides if value else ~decides

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Exists:
        return Exists(self.model._default_manager.order_by().filter(decision_maker=OuterRef("pk")))


def _of_company(name: str, label: "StrOrPromise", column: str) -> Attribute:
    return Attribute(
        name=name,
        label=label,
        group=Group.BUSINESS,
        type=Type.TEXT,
        source=OfCompany(column),
        offered_from=f"company__{column}",
    )


def _decides(name: str, label: "StrOrPromise", group: Group, model: type[Model]) -> Attribute:
    return Attribute(name=name, label=label, group=group, type=Type.FLAG, source=Decides(model), always_known=True)


COMPANY = (
    _of_company("company", _("company"), "name"),
    _of_company("industry", _("industry"), "industry"),
    Attribute(
        name="company_size",
        label=_("company size"),
        group=Group.BUSINESS,
        type=Type.NUMBER,
        unit=_("employees"),
        source=OfCompany("employees", is_text=False),
        minimum=0,
        maximum=10_000_000,
    ),
    _decides("decision_maker", _("decision power in their company"), Group.BUSINESS, Company),
    _decides("household_decision_maker", _("decision power at home"), Group.DEMOGRAPHIC, Household),
)
