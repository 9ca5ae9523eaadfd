"""`make bench`: run every benchmarks/bench_*.py and print each result as one JSON object a line.

A benchmark is a module with `run(scale)` that yields `benchmarks.results.Result`. It finds Django set up on a fresh,
migrated database of its own with the durability of a real shop; what it says beside its results goes to stderr.
"""

import argparse
import contextlib
import importlib
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.results import SCALES, Result, Scale

ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = ROOT / ".cache" / "bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, for instance `sale` for bench_sale.py")
    parser.add_argument("--scale", choices=SCALES, default="small")
    arguments = parser.parse_args()
    chosen = [name for name in available() if not arguments.names or name in arguments.names]
    if unknown := set(arguments.names) - set(chosen):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(available())}")
    _start_servers()
    broken = [name for name in chosen if not _run(name, arguments.scale)]
    if broken:
        sys.exit(f"These benchmarks broke: {', '.join(broken)}.")


def available() -> list[str]:
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def _start_servers() -> None:
    """Servers for the benchmarks alone (or those of DATABASE_URL / REDIS_URL, in a database of another name)."""
    from config import embedded

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.local"
    os.environ["REGULARS_DATA"] = str(DATA_DIR)
    wanted = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
    embedded.hold(DATA_DIR, *(name for name, variable in wanted.items() if not os.environ.get(variable)))
    admin = os.environ.get("DATABASE_URL") or embedded.database_url(DATA_DIR)
    name = "regulars_bench"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    os.environ["DATABASE_URL"] = admin.rpartition("/")[0] + "/" + name
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, stdout=sys.stderr, check=True
    )

    import django

    django.setup()


def _run(name: str, scale: Scale) -> bool:
    """Print the benchmark's results as they come. False if it broke."""
    sys.stderr.write(f"{name} ({scale})\n")
    module = importlib.import_module(f"benchmarks.bench_{name}")
    try:
        results: Iterable[Result] = module.run(scale)
        with contextlib.redirect_stdout(sys.stderr):
            for result in results:
                _print(result)
    except Exception:  # the others still run
        traceback.print_exc()
        return False
    return True


def _print(result: Result) -> None:
    if sys.__stdout__:
        sys.__stdout__.write(result.line() + "\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    main()
