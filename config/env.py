"""Settings from the environment, strictly parsed: a typo stops the start and says which variable is wrong."""

import os
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def text(name: str, default: str | None = None) -> str:
    """The variable's text; without a default it must be set and not empty."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name}.")
    return value


def site_url(name: str, default: str | None = None) -> str:
    """Where the shop's pages are, without a slash at the end: paths, which begin with one, are put behind it."""
    return text(name, default).rstrip("/")


def require(*names: str) -> None:
    """Stops the start with one message that names everything missing, so that nobody has to learn it one by one."""
    missing = [name for name in names if not os.environ.get(name, "").strip()]
    if missing:
        raise ImproperlyConfigured(
            f"Set the environment variable{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            "What each is for stands in docs/operations.md."
        )


def flag(name: str, default: bool) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no; write 1 or 0.")


def number(name: str, default: int) -> int:
    value = os.environ.get(name, "").strip()
    try:
        return int(value) if value else default
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number.") from None


def words(name: str, default: list[str] | None = None) -> list[str]:
    """A list written with commas."""
    value = os.environ.get(name, "").strip()
    if value:
        return [part.strip() for part in value.split(",") if part.strip()]
    if default is None:
        raise ImproperlyConfigured(f"Set the environment variable {name} (a list with commas).")
    return default


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ImproperlyConfigured(f"{name}={value!r} is no time zone; write one like Europe/Riga.") from None
    return value


def database(url: str) -> dict[str, object]:
    """A DATABASES entry from postgresql://user:password@host:port/name?option=value (host may be a socket folder)."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql:// (no other database is supported).")
    options = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
