"""Small steps from their cells to ours; :mod:`crm.importing.plan` chooses among them, once a column."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from crm.importing.cells import BadCell
from crm.importing.columns import Column
from crm.importing.names import split_name

Convert = Callable[[str], str]
"""Their cell as ours; BadCell where it cannot be read as its column is written."""

_CANCELLED = re.compile(
    r"(cancel|storn|annul|void|refund|retour|return|rückg|reso\b|rimbors|annull|palaut|peru|hyvit|возвр|отмен|аннул|"
    r"afturk|endurgr|skil|ógil|atcel|atgriez|true|yes|ja|да|sì|kyllä|já|1$|y$)",
    re.IGNORECASE,
)
_WHOLE_FLOAT = re.compile(r"[0-9]+\.0")


def negative(cell: str) -> str:
    value = cell.strip().removeprefix("+")
    return value if not value or value.startswith("-") else f"-{value}"


@lru_cache(1_000)
def cancels(cell: str) -> bool:
    return bool(_CANCELLED.match(cell.strip()))


def is_cancelled(cell: str, values: dict[str, str]) -> bool:
    said = values.get(cell.strip().casefold())
    return said in ("cancelled", "yes", "return") if said is not None else cancels(cell)


def is_taken(column: Column, cell: str) -> bool:
    try:
        column.parse(cell)
    except BadCell:
        return False
    return True


def translated(values: dict[str, str]) -> Convert:
    folded = {word.strip().casefold(): value for word, value in values.items()}
    return lambda cell: folded.get(cell.strip().casefold(), cell)


def separator(cells: Sequence[str]) -> str:
    """A comma where no cell has a documented separator."""
    return "," if any("," in cell for cell in cells) and not any(";" in cell or "|" in cell for cell in cells) else ""


def separated(separator: str) -> Convert | None:
    return (lambda cell: cell.replace(separator, ";")) if separator not in ("", ";", "|") else None


def are_floats(cells: Sequence[str]) -> bool:
    """Whether all of these ids went through a program that took them for fractions: 17850.0."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(_WHOLE_FLOAT.fullmatch(cell) for cell in filled)


def date_and_time(positions: Sequence[int], convert: Convert | None) -> Callable[[list[str]], str]:
    day_at, time_at = positions[:2]

    def make(cells: list[str]) -> str:
        day, time = cells[day_at].strip(), cells[time_at].strip()
        if time:
            day = re.sub(r"[ T]0?0:00(:00)?$", "", day)
            time = f"{int(time):02}:00" if time.isdecimal() and len(time) < 3 else time
            day = f"{day} {time}"
        return convert(day) if convert else day

    return make


def part_of_name(positions: Sequence[int], index: int) -> Callable[[list[str]], str]:
    def make(cells: list[str]) -> str:
        return split_name(" ".join(cells[at] for at in positions))[index]

    return make


def whole_again(cell: str) -> str:
    """17850.0 is 17850."""
    return cell.removesuffix(".0") if _WHOLE_FLOAT.fullmatch(cell) else cell
