#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL / REDIS_URL it uses the embedded servers (see config/embedded)."""

import os
import sys

NEED_NO_SERVERS = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "spectacular",
    "startapp",
    "version",
}


def _needs_servers(arguments: list[str]) -> bool:
    words = [word for word in arguments if not word.startswith("-")]
    asks_for_help = any(word in ("-h", "--help", "--version") for word in arguments)
    if not words or asks_for_help:
        return False
    return words[0] not in NEED_NO_SERVERS or "--database" in arguments


def _hold_servers() -> None:
    """Join the embedded servers, or start them; they stop with us, unless others use them too."""
    from config import embedded
    from config.settings.base import DATA_DIR

    wanted = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
    missing = [name for name, variable in wanted.items() if not os.environ.get(variable)]
    if missing:
        try:
            embedded.hold(DATA_DIR, *missing)
        except embedded.EmbeddedError as error:
            sys.exit(str(error))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    if os.environ["DJANGO_SETTINGS_MODULE"] == "config.settings.local" and _needs_servers(sys.argv[1:]):
        _hold_servers()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
