"""A file's rows are the same however many lines are parsed together."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.importing import reading

_PIECES = (
    "a",
    "b c",
    ",",
    "\n",
    "\r\n",
    "\r",
    '"',
    '""',
    '"x,y"',
    '"two\nlines"',
    '"two\r\nlines",z',
    "ü",
    "\x00",
    "1,2\n",
)


def _rows(path: Path, at_once: int) -> list[reading.Row]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "LINES_AT_ONCE", at_once)
        return list(reading.CsvFile(path).rows())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(_PIECES), max_size=40))
def test_where_one_block_of_lines_ends_changes_no_row(pieces: list[str], tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(("one,two\n" + "".join(pieces)).encode())
    found = _rows(path, 1)
    assert [_rows(path, at_once) for at_once in (2, 3, 500)] == [found] * 3


def test_a_cell_with_a_line_break_may_lie_across_two_blocks(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('one,two\n1,"a\nb\nc"\n\n2,d\n3,"e ""f"""\n')
    expected = [(2, ["1", "a\nb\nc"], ""), (4, ["2", "d"], ""), (5, ["3", 'e "f"'], "")]
    assert [_rows(path, at_once) for at_once in (1, 2, 3, 4, 500)] == [expected] * 5


def test_a_quotation_mark_that_is_never_closed_costs_one_row_wherever_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text('one,two\n1,a\n2,"b\n3,c\n4,d\n')
    for at_once in (1, 2, 3, 500):
        rows = _rows(path, at_once)
        assert [cells for _number, cells, problem in rows if not problem] == [["1", "a"], ["3", "c"], ["4", "d"]]
        assert [number for number, _cells, problem in rows if problem] == [3]
