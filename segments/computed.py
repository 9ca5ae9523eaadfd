"""Conditions and values over rows that a query of ours works out: one row a customer, named by ``customer_id``."""

from collections.abc import Sequence
from typing import Any

from django.db.models import BooleanField, F, Field, Func, Value
from django.db.models.sql.compiler import SQLCompiler

SOME = "customer_id = ANY(%s::bigint[])"
"""Narrows the rows to some customers: one array as a parameter, so that a planned statement serves others, too."""

_COMPARED = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def tested(column: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    """The test of a column (an expression of ours) as SQL with a place ``{}`` for each value, and the values."""
    match operator:
        case "known":
            return f"({column}) IS NOT NULL", []
        case "between":
            return f"({column}) BETWEEN {{}} AND {{}}", list(value)
        case "in" | "not in":
            return f"({column}) {operator.upper()} ({', '.join('{}' for _one in value)})", list(value)
    return f"({column}) {_COMPARED[operator]} {{}}", [value]


class AmongRows(Func):
    """Whether the customer has a row that meets the test. The rows are found once, for however many customers.

    ``ids`` are the customers of the scope, where it names some: the parameter of :data:`SOME` in the query of the rows.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, rows: str, ids: Sequence[int] | None, test: str, values: list[Any]) -> None:
        super().__init__(F("pk"), *(Value(value) for value in values))
        self.rows, self.test, self.asked = rows, test, [] if ids is None else [list(ids)]

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        customer, *values = (compiler.compile(one) for one in self.get_source_expressions())
        test = self.test.format(*(sql for sql, _params in values))
        sql = f"EXISTS (SELECT 1 FROM ({self.rows}) AS made WHERE ({test}) AND made.customer_id = {customer[0]})"  # noqa: S608 - ours
        return sql, [*self.asked, *(param for _sql, params in values for param in params), *customer[1]]


class FromRows(Func):
    """What the customer's row says; NULL without one."""

    def __init__(self, rows: str, ids: Sequence[int] | None, column: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(F("pk"), output_field=output_field)
        self.rows, self.column, self.asked = rows, column, [] if ids is None else [list(ids)]

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        (customer,) = (compiler.compile(one) for one in self.get_source_expressions())
        sql = f"(SELECT {self.column} FROM ({self.rows}) AS made WHERE made.customer_id = {customer[0]})"  # noqa: S608 - ours
        return sql, [*self.asked, *customer[1]]
