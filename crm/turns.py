"""Who must not work at the same time: imports, merges and erasures each touch whole people, in every table."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

_IMPORT = "hashtext('regulars import')"
IMPORT_ALONE = f"SELECT pg_advisory_xact_lock({_IMPORT})"
"""What an import begins with: one at a time, and no merge beside it."""

_BESIDE_NO_IMPORT = f"SELECT pg_advisory_xact_lock_shared({_IMPORT})"
MERGING_ALONE = "SELECT pg_advisory_xact_lock(hashtext('regulars merge'))"
"""What merging, its undoing and erasure begin with: who belongs to whom changes once at a time."""

_WAIT = "SELECT set_config('lock_timeout', %s, true)"

BUSY = ("55P03", "40P01")
"""What the database says when it waited long enough, or found two waiting for each other."""


PATIENCE_MS = 5_000
"""As long as somebody at a page waits before they think that nothing happens."""


class Busy(Exception):
    """Somebody else has held what is needed for longer than a person waits at a page. Nothing was changed."""


@contextmanager
def merging() -> Iterator[None]:
    """A transaction beside no import and no other merge, no longer waiting than a person does. Raises :class:`Busy`."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WAIT, [f"{PATIENCE_MS}ms"])
            cursor.execute(_BESIDE_NO_IMPORT)
            cursor.execute(MERGING_ALONE)
            yield
            cursor.execute(_WAIT, ["0"])  # an outer transaction goes on as patient as it was
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") in BUSY:
            raise Busy from error
        raise
