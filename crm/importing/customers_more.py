"""More columns of a file of customers: where they live on the map, and the fields that this shop has defined."""

from collections.abc import Callable

from django.utils.translation import gettext_lazy as _

from crm import custom_fields
from crm.importing import cells
from crm.importing.cells import Parser, text
from crm.importing.columns import Column, Holds
from crm.models import CustomField

_TEXT = "text NOT NULL DEFAULT ''"
_WORDS = "varchar[] NOT NULL DEFAULT '{}'"


def point_columns() -> tuple[Column, ...]:
    """Where somebody lives, as maps have it."""
    return (
        Column(
            "area_kind",
            text(50),
            label=_("urban or rural"),
            synonyms="area type; urban rural; urbanity; settlement type; siedlungstyp; stadt land; тип местности; "
            "tipo di area; alueen tyyppi; búsetusvæði",
        ),
        *map_columns(required=False),
    )


def map_columns(*, required: bool) -> tuple[Column, ...]:
    """A point on the map, in degrees."""
    return (
        Column(
            "latitude",
            cells.degrees(90),
            "double precision",
            required=required,
            holds="number",
            label=_("latitude"),
            synonyms="lat; breitengrad; широта; latitudine; leveysaste; breiddargráða",
        ),
        Column(
            "longitude",
            cells.degrees(180),
            "double precision",
            required=required,
            holds="number",
            label=_("longitude"),
            synonyms="lon; lng; long; längengrad; долгота; longitudine; pituusaste; lengdargráða",
        ),
    )


def custom_columns() -> tuple[Column, ...]:
    """A column for each field that this shop has defined, by the name that rules have for it, or its label."""
    return tuple(_custom(field) for field in custom_fields.fields())


def _custom(field: CustomField) -> Column:
    parse, kind, holds = _CUSTOM[field.kind]
    return Column(
        field.attribute,
        cells.written(field.choices) if field.kind == CustomField.Kind.CHOICE else parse(),
        kind,
        holds=holds,
        label=field.label,
        help=field.help,
        synonyms=field.slug,
    )


_CUSTOM: dict[str, tuple[Callable[[], Parser], str, Holds]] = {
    CustomField.Kind.TEXT: (lambda: text(1_000), _TEXT, "text"),
    CustomField.Kind.CHOICE: (lambda: text(100), _TEXT, "text"),
    CustomField.Kind.NUMBER: (cells.amount, "numeric", "number"),
    CustomField.Kind.FLAG: (cells.yes_no, "boolean", "yes_no"),
    CustomField.Kind.DATE: (cells.any_day, "date", "date"),
    CustomField.Kind.WORDS: (cells.words, _WORDS, "words"),
}
