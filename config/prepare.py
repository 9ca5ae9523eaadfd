"""Bring a local data folder up to date before the shop opens: migrations, and the demo once. Part of `make run`."""

import os
import sys
from pathlib import Path

from config import env


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    import django

    django.setup()
    _migrate()
    if env.flag("REGULARS_DEMO", True):
        _load_demo_once()


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        _say("Bringing the database up to date.")
        call_command("migrate", verbosity=0, interactive=False)


def _load_demo_once() -> None:
    """Load the demo unless it is there.

    A load that was cut short is taken up again; a shop that holds other data is left alone.
    """
    from django.conf import settings
    from django.core.management import call_command, get_commands

    from crm.models import Customer

    started, done = (Path(settings.DATA_DIR) / name for name in ("demo-started", "demo-loaded"))
    if done.exists() or "load_demo" not in get_commands():
        return
    if not started.exists() and Customer.objects.exists():
        return
    started.touch()
    call_command("load_demo")
    done.touch()
    started.unlink()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
