"""Conditions that Django's lookups cannot say, or not as the database answers them best."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BooleanField, DecimalField, Exists, F, Func, OuterRef, QuerySet, Subquery, Value
from django.db.models.sql.compiler import SQLCompiler


class IsNotTrue(Func):
    """The plain complement: what is not true, be it false or unknown."""

    template = "(%(expressions)s) IS NOT TRUE"
    output_field = BooleanField()
    conditional = True


class AnyOf(Func):
    """A column among these ids, sent as one array however many there are."""

    template = "%(expressions)s"
    arg_joiner = " = "
    output_field = BooleanField()
    conditional = True

    def __init__(self, column: str, ids: Sequence[int]) -> None:
        super().__init__(F(column), Func(Value(list(ids)), template="ANY(%(expressions)s::bigint[])"))


class Found(Exists):
    """Whether there is any of these rows for the customer, whose id stands in the column ``of`` of what is asked."""

    def __init__(self, rows: "QuerySet[Any, Any]", of: str = "pk") -> None:
        super().__init__(rows.filter(customer_id=OuterRef(of)))
        self.rows = rows

    def for_key(self, of: str) -> "Found":
        return Found(self.rows, of)

    def ids(self) -> "QuerySet[Any, Any] | None":
        """The customers of whom it is true, each once."""
        return self.rows.filter(customer_id__isnull=False).order_by().values_list("customer_id", flat=True).distinct()


class Matched(Func):
    """Whether the customer is among those that a grouped query found.

    A join with the whole group rather than a look-up for each customer: the facts are read once, however many. ``key``
    is the column by which the query groups.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, found: "QuerySet[Any, Any]", *, key: str = "customer_id", of: str = "pk") -> None:
        super().__init__(F(of), Subquery(found.order_by().values(key)))
        self.found, self.key = found, key

    def for_key(self, of: str) -> "Matched":
        return Matched(self.found, key=self.key, of=of)

    def ids(self) -> "QuerySet[Any, Any] | None":
        """The customers of whom it is true, each once; None where the rows know them under another name."""
        return self.found.order_by().values_list(self.key, flat=True) if self.key == "customer_id" else None

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        customer, grouped = self.get_source_expressions()
        customer_sql, customer_params = compiler.compile(customer)
        grouped_sql, grouped_params = compiler.compile(grouped)
        sql = f"EXISTS (SELECT 1 FROM {grouped_sql} matched WHERE matched.{self.key} = {customer_sql})"  # noqa: S608 - compiled parts
        return sql, [*grouped_params, *customer_params]


class OrZero(Func):
    """A figure, or zero where there is none."""

    template = "COALESCE(%(expressions)s, 0)"


class Quotient(Func):
    """The first figure, ``scale`` times, for each of the second; NULL where that is not positive."""

    template = "((%(expressions)s, 0), 0))"
    output_field = DecimalField()

    def __init__(self, top: Any, bottom: Any, *, scale: int = 1) -> None:
        super().__init__(top, bottom, arg_joiner=f")::numeric * {int(scale)} / NULLIF(GREATEST(")
