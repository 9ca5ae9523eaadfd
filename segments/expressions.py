"""Conditions that Django's lookups cannot say, or not as the database answers them best."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet, Subquery, Value
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


class Matched(Func):
    """Whether the customer is among those that a grouped query found.

    A join with the whole group rather than a look-up for each customer: the facts are read once, however many. ``key``
    is the column by which the query groups.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, found: "QuerySet[Any, Any]", *, key: str = "customer_id") -> None:
        super().__init__(F("pk"), Subquery(found.order_by().values(key)))
        self.key = key

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        customer, grouped = self.get_source_expressions()
        customer_sql, customer_params = compiler.compile(customer)
        grouped_sql, grouped_params = compiler.compile(grouped)
        sql = f"EXISTS (SELECT 1 FROM {grouped_sql} matched WHERE matched.{self.key} = {customer_sql})"  # noqa: S608 - compiled parts
        return sql, [*grouped_params, *customer_params]
