"""How the database reads the fields that this shop has added: values of a JSON column, each kept to its kind.

Whatever else stands there (an import from before the field was defined, a slip of another program) is unknown; it never
stops a query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BooleanField, CharField, DateField, DecimalField, F, Field, Func, Q, Value
from django.db.models.sql.compiler import SQLCompiler

from crm import conditions
from crm.attributes import Filter, Predicate, Scope
from crm.models import CustomField
from crm.sources import Timeless

Kind = CustomField.Kind

_OF_TEXT = "CASE WHEN jsonb_typeof({json}) = 'string' AND {text} <> '' THEN {text} END"
_READ: dict[str, str] = {
    Kind.TEXT: _OF_TEXT,
    Kind.CHOICE: _OF_TEXT,
    Kind.NUMBER: "CASE WHEN jsonb_typeof({json}) = 'number' THEN ({text})::numeric END",
    Kind.FLAG: "CASE WHEN jsonb_typeof({json}) = 'boolean' THEN ({text})::boolean END",
    Kind.DATE: (
        "CASE WHEN jsonb_typeof({json}) = 'string' AND {text} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$' "
        "AND pg_input_is_valid({text}, 'date') THEN ({text})::date END"
    ),
    Kind.WORDS: (
        "CASE WHEN jsonb_typeof({json}) = 'array' AND {json} <> '[]'::jsonb "
        "THEN ARRAY(SELECT jsonb_array_elements_text({json})) END"
    ),
}


def _field(kind: str) -> "Field[Any, Any]":
    match kind:
        case Kind.NUMBER:
            return DecimalField(max_digits=30, decimal_places=10)
        case Kind.FLAG:
            return BooleanField()
        case Kind.DATE:
            return DateField()
        case Kind.WORDS:
            return ArrayField(CharField())
    return CharField()


class CustomValue(Func):
    """The value that a customer has under this key, NULL where there is none of this kind."""

    def __init__(self, slug: str, kind: str, path: str = "custom") -> None:
        super().__init__(F(path), Value(slug), output_field=_field(kind))
        self.kind = kind

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        column, key = self.get_source_expressions()
        column_sql, column_params = compiler.compile(column)
        key_sql, key_params = compiler.compile(key)
        parts = {"json": f"({column_sql} -> {key_sql}::text)", "text": f"({column_sql} ->> {key_sql}::text)"}
        template = _READ[self.kind]
        often = template.count("{json}") + template.count("{text}")
        return template.format(**parts), [*column_params, *key_params] * often


@dataclass(frozen=True)
class Custom(Timeless):
    """A field of the shop's own."""

    slug: str
    kind: str

    def matches(self, *, scope: Scope, filters: Mapping[Filter, Any], operator: str, value: Any) -> Predicate:
        match operator:
            case "has":
                return self._holds(value)
            case "has any":
                return Q(*(self._holds(one) for one in value), _connector=Q.OR)
            case "has all":
                return Q(custom__contains={self.slug: list(value)})
        return conditions.test(self.value(scope=scope, filters=filters), operator, value)

    def value(self, *, scope: Scope, filters: Mapping[Filter, Any]) -> CustomValue:
        return CustomValue(self.slug, self.kind)

    def _holds(self, word: str) -> Q:
        return Q(custom__contains={self.slug: [word]})
