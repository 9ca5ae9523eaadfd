"""Conditions and values over rows that a query of ours works out: one row a customer, named by ``customer_id``."""

from typing import Any

from django.db.models import BooleanField, F, Field, Func, Value
from django.db.models.sql.compiler import SQLCompiler

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
    """Whether the customer has a row that meets the test. The rows are found once, for however many customers."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, rows: str, test: str, values: list[Any]) -> None:
        super().__init__(F("pk"), *(Value(value) for value in values))
        self.rows, self.test = rows, test

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        customer, *values = (compiler.compile(one) for one in self.get_source_expressions())
        test = self.test.format(*(sql for sql, _params in values))
        sql = f"EXISTS (SELECT 1 FROM ({self.rows}) AS made WHERE ({test}) AND made.customer_id = {customer[0]})"  # noqa: S608 - ours
        return sql, [*(param for _sql, params in values for param in params), *customer[1]]


class FromRows(Func):
    """What the customer's row says; NULL without one."""

    def __init__(self, rows: str, column: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(F("pk"), output_field=output_field)
        self.rows, self.column = rows, column

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        (customer,) = (compiler.compile(one) for one in self.get_source_expressions())
        sql = f"(SELECT {self.column} FROM ({self.rows}) AS made WHERE made.customer_id = {customer[0]})"  # noqa: S608 - ours
        return sql, list(customer[1])
