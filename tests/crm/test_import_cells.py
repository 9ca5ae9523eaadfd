"""Cells that are read many at once are read as each by itself."""

from collections.abc import Iterable

from hypothesis import example, given
from hypothesis import strategies as st

from crm.importing.cells import BadCell, Text, column_reader

ODD = st.text("aé e\u0301'|\"\\\t\n\r\u00a0\u2028\ud800\x00=-", max_size=6)
CELLS = st.lists(st.one_of(st.text(max_size=8), ODD, st.sampled_from(["", "Anna", "Kalniņš", "O'Brien"])), min_size=1)


def _no_digits(value: str) -> None:
    if any(char.isdigit() for char in value):
        raise BadCell("has digits.")


def _outcome(cells: Iterable[str]) -> list[str] | str:
    try:
        return list(cells)
    except BadCell as bad:
        return bad.reason


@given(cells=CELLS, required=st.booleans(), checked=st.booleans())
@example(cells=["'=1", "'a"], required=False, checked=False)
@example(cells=["a  b", "c"], required=False, checked=False)
@example(cells=["e\u0301", "\u0301a"], required=False, checked=False)
@example(cells=["a", ""], required=True, checked=False)
@example(cells=["a\\b"], required=False, checked=False)
def test_a_column_of_text_is_read_as_its_cells(cells: list[str], required: bool, checked: bool) -> None:
    read = Text(6, required=required, check=_no_digits if checked else None)

    assert _outcome(column_reader(read)(cells)) == _outcome(map(read, cells))
