"""What a dry run shows: some of what would be created, changed and refused, and what would be created beside."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20
"""Samples of each sort."""

BESIDE = {
    "stores": ("crm_store", "code"),
    "categories": ("crm_category", "path"),
    "products": ("crm_product", "sku"),
    "customers": ("crm_customer", "number"),
    "households": ("crm_household", "number"),
    "companies": ("crm_company", "name"),
}


@dataclass
class Samples:
    """``created``: {"row", "values"}; ``updated``: {"row", "key", "changes": {field: [before, after]}}; ``refused``:
    {"row", "reason"}. Rows are numbered as a spreadsheet does. At most :data:`SHOWN` of each.
    """

    created: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def take_created(self, cursor: Any, query: str, params: dict[str, Any], order: Sequence[str]) -> None:
        """``query`` gives (row, values as JSON), in order; their names are put in the ``order`` of the columns."""
        cursor.execute(f"{query} LIMIT {SHOWN}", params)
        for row, said in cursor.fetchall():
            values = _read(said)
            names = [*(name for name in order if name in values), *(name for name in values if name not in order)]
            filled = {name: values[name] for name in names if _plain(values[name]) is not None}
            self.created.append({"row": row, "values": filled})

    def take_updated(self, cursor: Any, query: str, params: dict[str, Any]) -> None:
        """``query`` gives (row, key, values before, values after), in order; only what differs is kept."""
        cursor.execute(f"{query} LIMIT {SHOWN}", params)
        for row, key, was, becomes in cursor.fetchall():
            before, after = _read(was), _read(becomes)
            changes = {
                name: [_plain(before.get(name)), _plain(value)]
                for name, value in after.items()
                if _plain(before.get(name)) != _plain(value)
            }
            self._add(row, key, changes)

    def take_statements(self, cursor: Any, query: str, params: dict[str, Any]) -> None:
        """``query`` gives (row, key, field, before, after), in order."""
        cursor.execute(f"{query} LIMIT {SHOWN}", params)
        for row, key, name, before, after in cursor.fetchall():
            self._add(row, key, {name: [before, after]})
        self.updated = sorted(self.updated, key=lambda sample: int(sample["row"]))[:SHOWN]

    def take_refused(self, refused: Iterable[tuple[int, str]]) -> None:
        for row, reason in refused:
            if len(self.refused) < SHOWN:
                self.refused.append({"row": row, "reason": reason})

    def as_dict(self) -> dict[str, Any]:
        return {"created": self.created, "updated": self.updated, "refused": self.refused}

    def _add(self, row: int, key: str, changes: dict[str, list[Any]]) -> None:
        if not changes:
            return
        for known in self.updated:
            if known["row"] == row:
                known["changes"] |= changes
                return
        self.updated.append({"row": row, "key": key, "changes": changes})


def _read(values: Any) -> dict[str, Any]:
    """JSON as the connection gives it: Django leaves it as text."""
    found: dict[str, Any] = json.loads(values) if isinstance(values, str) else values
    return found


def _plain(value: Any) -> Any:
    return None if value in ("", []) else value


class Beside:
    """Counts what an import creates that its file only names: {"stores": {"count", "names"}, ...}."""

    def __init__(self, cursor: Any, *, kind: str) -> None:
        self._tables = {name: table for name, table in BESIDE.items() if name != kind}
        last = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table, _name in self._tables.values())
        cursor.execute(f"SELECT {last}")
        self._last = dict(zip(self._tables, cursor.fetchone(), strict=True))

    def count(self, cursor: Any) -> dict[str, dict[str, Any]]:
        """What is there now that was not there before; nothing else may create such things meanwhile."""
        found = {}
        for name, (table, column) in self._tables.items():
            cursor.execute(
                f"""
                SELECT count(*), coalesce((array_agg({column} ORDER BY id))[:{SHOWN}], ARRAY[]::text[])
                  FROM {table} WHERE id > %s
                """,
                [self._last[name]],
            )
            count, names = cursor.fetchone()
            if count:
                found[name] = {"count": count, "names": names}
        return found
