"""The cluster of a customer, as something that rules can ask.

It is a function of the facts and of the stored model: the figures of the model's day, compared with its centres. So one
sale may move its customer, moves nobody else, and time alone moves nobody until the model is made anew.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.db.models.lookups import In, IsNull
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext_lazy as _

from crm.attributes import Attribute, Filter, Group, Predicate, Scope, Type
from crm.past import end_of
from segments.clusters.features import Feature, expressions, read
from segments.models import Cluster, ClusterModel


class ClusterNames(Mapping[str, str]):
    """The clusters of the model in use. Names of earlier ones are understood, though nobody is in them any more."""

    def __getitem__(self, name: str) -> str:
        if not Cluster.objects.filter(name=name).exists():
            raise KeyError(name)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(list(_in_use().order_by("name").values_list("name", flat=True)))

    def __len__(self) -> int:
        return _in_use().count()

    def items(self) -> ItemsView[str, str]:
        return {name: name for name in self}.items()

    def __bool__(self) -> bool:
        """A closed set even while it is empty."""
        return True


def _in_use() -> "QuerySet[Cluster]":
    return Cluster.objects.filter(model__is_current=True)


@dataclass(frozen=True)
class Centre:
    name: str
    at: Sequence[float]


class Nearest(Func):
    """The name of the nearest centre; NULL where a figure is unknown or the customer has not bought.

    Each figure is worked out once for a customer (OFFSET 0 keeps the planner from copying it into every distance).
    Of the squared distance only what differs between centres is reckoned.
    """

    output_field = CharField()

    def __init__(self, features: Sequence[Feature], centres: Sequence[Centre], figures: Sequence[Any]) -> None:
        self.features, self.centres = features, centres
        super().__init__(F("profile__receipts"), *figures)

    def __hash__(self) -> int:  # the centres are plain data: one is like no other
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        bought, *figures = (compiler.compile(one) for one in self.get_source_expressions())
        params: list[Any] = []
        columns = []
        for place, (sql, own) in enumerate(figures):
            columns.append(f"({sql})::float8 AS figure_{place}")
            params += own
        scaled = ", ".join(_scaled(f"figure_{place}", one, place) for place, one in enumerate(self.features))
        distances = ", ".join(
            f"{_distance(centre.at)} AS distance_{place}" for place, centre in enumerate(self.centres)
        )
        least = ", ".join(f"distance_{place}" for place in range(len(self.centres)))
        names = " ".join(f"WHEN distance_{place} THEN %s::varchar" for place in range(len(self.centres)))
        sql = (
            f"CASE WHEN {bought[0]} > 0 THEN (SELECT CASE least({least}) {names} END FROM "  # noqa: S608 - compiled parts, numbers of ours
            f"(SELECT {distances} FROM (SELECT {scaled} FROM (SELECT {', '.join(columns)} OFFSET 0) AS known OFFSET 0)"
            f" AS placed OFFSET 0) AS apart) END"
        )
        return sql, [*bought[1], *(centre.name for centre in self.centres), *params]


def _scaled(figure: str, feature: Feature, place: int) -> str:
    """As :func:`segments.clusters.fitting.logarithms` does it, on the model's scale."""
    logarithm = f"sign({figure}) * ln(1 + abs({figure}))"
    return f"({logarithm} - ({feature.mean!r})) / {feature.spread!r} AS scaled_{place}"


def _distance(centre: Sequence[float]) -> str:
    """The squared distance less what is the same for all centres; unknown where any figure is."""
    constant = float(sum(one * one for one in centre))
    return " + ".join(
        [repr(constant), *(f"({-2 * float(one)!r}) * scaled_{place}" for place, one in enumerate(centre))]
    )


def nearest(model: ClusterModel, *, ids: Sequence[int] | None = None) -> Nearest | None:
    """The customer's cluster by this model; None for a model without clusters. Raises RuleError."""
    centres = [Centre(one.name, one.centre) for one in model.clusters.order_by("name")]
    if not centres:
        return None
    features = [read(one) for one in model.features]
    scope = Scope(now=end_of(model.measured_on), today=model.measured_on, ids=ids)
    return Nearest(features, centres, expressions(features, scope))


def current() -> ClusterModel | None:
    return ClusterModel.objects.filter(is_current=True).first()


@dataclass(frozen=True)
class InCluster:
    def _nearest(self, scope: Scope) -> Nearest | None:
        model = current()
        return nearest(model, ids=scope.ids) if model is not None else None

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        found = self._nearest(scope)
        if found is None:
            return Q(pk__isnull=operator != "unknown")
        if operator in ("known", "unknown"):
            return Q(IsNull(found, operator == "unknown"))
        asked = [value] if operator in ("=", "!=") else list(value)
        names = [one.name for one in found.centres if (one.name in asked) == (operator in ("=", "in"))]
        return Q(In(found, names)) if names else Q(pk__in=[])

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> Any:
        found = self._nearest(scope)
        return Cast(Value(None), CharField()) if found is None else found

    def due(
        self, *, scope: Scope, since: date, filters: Mapping[Filter, Any], operator: str, value: Any
    ) -> "QuerySet[Any, Any] | None":
        """A new model marks whoever moved; the passing of time moves nobody."""
        return None


CLUSTER = Attribute(
    name="cluster",
    label=_("cluster"),
    help=_("Customers who are alike in what they do, as of the day on which the clusters were made."),
    group=Group.GROUPS,
    type=Type.CHOICE,
    source=InCluster(),
    values=ClusterNames(),
    in_messages=False,
)
