"""One import in a process of its own, so that its memory is known: ``python -m benchmarks.import_alone KIND PATH``.

Prints seconds (deferred checks included), the process's own CPU seconds, its peak memory in MB (with what it started)
and the counts, as JSON. With ``--in-vain`` the database is left as it was.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.run import ROOT


def run(kind: str, path: Path, *, in_vain: bool) -> dict[str, Any]:
    """Import the file in a new process."""
    command = [sys.executable, "-m", "benchmarks.import_alone", kind, str(path)]
    done = subprocess.run(
        [*command, "--in-vain"] if in_vain else command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("path", type=Path)
    parser.add_argument("--in-vain", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    import django

    django.setup()
    from django.db import connection, transaction

    from crm.importing import import_file

    with transaction.atomic(), connection.cursor() as cursor:
        started, cpu = time.perf_counter(), time.process_time()
        result = import_file(kind=arguments.kind, path=arguments.path)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        transaction.set_rollback(arguments.in_vain)
    sys.stdout.write(
        json.dumps({"seconds": took, "cpu_s": cpu, "peak_mb": round(_peak_mb(), 1), "counts": result.as_dict()})
    )


def _peak_mb() -> float:
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


if __name__ == "__main__":
    main()
