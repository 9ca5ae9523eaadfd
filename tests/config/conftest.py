"""For tests that start whole shops."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, which every pytest that starts closes to others again.

    That would shut out the servers of a test that runs as root: they pass through as another account.
    """
    with tempfile.TemporaryDirectory(prefix="regulars-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def module_tmp_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="regulars-test-") as folder:
        yield Path(folder)
